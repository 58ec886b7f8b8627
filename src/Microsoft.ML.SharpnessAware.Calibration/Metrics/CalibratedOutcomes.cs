namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Outcomes that a calibrated model could have had: each row's event happens with that row's probability. What is drawn are the surprises,
/// the outcomes of probability q = min(p, 1 − p), since they are few where a limit theorem says least.
/// </summary>
internal sealed class CalibratedOutcomes
{
    /// <summary>A P value is at least 1 / (1 + Draws).</summary>
    private const int Draws = 9_999;

    // With so many surprises the limits hold to a tenth of a P value of 1 %.
    private const double SurprisesForALimit = 100;
    private const int FewGroups = 100;

    private readonly List<RowsOfOneProbability> _groups = [];

    // Through the end of each group: Σ −ln(1 − q), and Σ (p − the likelier outcome).
    private readonly double[] _hazards, _sums;
    private readonly int _lastUpToHalf;
    private readonly double _expected;

    /// <summary>From rows sorted by their probability.</summary>
    public CalibratedOutcomes(IEnumerable<(double Probability, bool Happened)> sortedRows)
    {
        foreach ((double p, _) in sortedRows)
        {
            if (_groups.Count > 0 && _groups[^1].Probability == p)
                _groups[^1] = _groups[^1] with { Count = _groups[^1].Count + 1 };
            else
                _groups.Add(new(p, 1));
        }

        (_hazards, _sums) = (new double[_groups.Count], new double[_groups.Count]);
        CompensatedSum hazard = default, sum = default, expected = default;
        for (int i = 0; i < _groups.Count; i++)
        {
            RowsOfOneProbability group = _groups[i];
            hazard.Add(group.Count * group.Hazard);
            sum.Add(group.Count * (group.Probability - (group.IsLikely ? 1 : 0)));
            expected.Add(group.Count * group.Surprise);
            (_hazards[i], _sums[i]) = (hazard.Value, sum.Value);
        }

        _lastUpToHalf = _groups.FindLastIndex(group => !group.IsLikely);
        _expected = expected.Value;
    }

    /// <summary>Whether so few surprises are to be expected that sums over rows are not yet normal.</summary>
    public bool AreFew => _expected < SurprisesForALimit;

    /// <summary>Whether sums up to a row are not yet a Brownian motion, or are looked at in few places.</summary>
    public bool AreFewOrTied => AreFew || _groups.Count <= FewGroups;

    /// <summary>P(|Σ (y − p)(1 − 2p)| ≥ <paramref name="observed"/>).</summary>
    public double ProbabilityOfSum(double observed)
    {
        // A surprise adds |1 − 2p| to the sum without any.
        double without = -_groups.Sum(group => group.Count * group.Surprise * Math.Abs(1 - 2 * group.Probability));
        return ProbabilityOf(observed, random =>
        {
            double sum = without;
            for (var (surprises, group) = (new Surprises(this, random), 0); surprises.Next(ref group, out long count);)
                sum += count * Math.Abs(1 - 2 * _groups[group].Probability);
            return Math.Abs(sum);
        });
    }

    /// <summary>P(max |Σ (p − y)| up to the last row of any probability ≥ <paramref name="observed"/>).</summary>
    public double ProbabilityOfMaximum(double observed) => ProbabilityOf(observed, random =>
    {
        double largest = 0, offset = 0;
        int from = 0;
        for (var (surprises, group) = (new Surprises(this, random), 0); surprises.Next(ref group, out long count);)
        {
            largest = Math.Max(largest, Largest(from, group - 1, offset));
            offset += _groups[group].IsLikely ? count : -count;
            from = group;
        }

        return Math.Max(largest, Largest(from, _groups.Count - 1, offset));
    });

    /// <summary>Of the ends of groups between two surprises: without surprises the sums rise while p ≤ ½, and fall from there.</summary>
    private double Largest(int first, int last, double offset)
    {
        if (last < first)
            return 0;
        double largest = Math.Max(Math.Abs(_sums[first] + offset), Math.Abs(_sums[last] + offset));
        return first <= _lastUpToHalf && _lastUpToHalf <= last ? Math.Max(largest, Math.Abs(_sums[_lastUpToHalf] + offset)) : largest;
    }

    /// <summary>(1 + draws that are as large) / (1 + draws): valid for any number of draws (Davison and Hinkley 1997, "Bootstrap methods
    /// and their application", 4.2).</summary>
    private static double ProbabilityOf(double observed, Func<BootstrapRandom, double> draw)
    {
        BootstrapRandom random = new(seed: 0, stream: 0);
        // The same sum in another order of the rows.
        double same = observed - 1e-9 * (1 + observed);
        int asLarge = 0;
        for (int i = 0; i < Draws; i++)
        {
            if (draw(random) >= same)
                asLarge++;
        }

        return (1.0 + asLarge) / (1 + Draws);
    }

    private readonly record struct RowsOfOneProbability(double Probability, long Count)
    {
        public bool IsLikely => Probability > 0.5;

        public double Surprise => Math.Min(Probability, 1 - Probability);

        public double Hazard => -double.LogP1(-Surprise);
    }

    /// <summary>One draw. Few surprises are found by the exponential distances between them, in a time that does not depend on the rows;
    /// many in few groups are binomial numbers.</summary>
    private struct Surprises(CalibratedOutcomes outcomes, BootstrapRandom random)
    {
        private double _hazard;
        private int _next;

        /// <summary>The group of the next ones, which may be the same again, and how many they are.</summary>
        public bool Next(ref int group, out long count)
        {
            List<RowsOfOneProbability> groups = outcomes._groups;
            if (!outcomes.AreFew)
            {
                group = _next++;
                count = group < groups.Count ? random.NextBinomial(groups[group].Count, groups[group].Surprise) : 0;
                return group < groups.Count;
            }

            count = 1;
            _hazard -= Math.Log(1 - random.NextDouble());
            int found = Array.BinarySearch(outcomes._hazards, group, groups.Count - group, _hazard);
            group = found >= 0 ? found + 1 : ~found;
            if (group == groups.Count)
                return false;
            // A row has one outcome: go on behind it.
            double start = group == 0 ? 0 : outcomes._hazards[group - 1];
            double row = Math.Floor((_hazard - start) / groups[group].Hazard);
            _hazard = start + (row + 1) * groups[group].Hazard;
            return true;
        }
    }
}
