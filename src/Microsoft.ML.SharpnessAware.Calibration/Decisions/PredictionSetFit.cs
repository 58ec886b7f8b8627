using System.Runtime.InteropServices;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The scores of the true classes of the rows that thresholds are fitted on; a few bytes a row.</summary>
/// <param name="kind">The kind of score, without its two numbers.</param>
/// <param name="coverage">What was asked.</param>
/// <param name="numberOfClasses">How many classes there are.</param>
/// <param name="perClass">Whether each class gets a threshold.</param>
internal sealed class PredictionSetFit(Nonconformity kind, double coverage, int numberOfClasses, bool perClass)
{
    // Angelopoulos et al. tune on a part of the rows that gives no threshold.
    private const int TuningShare = 5;
    private const int MostTuningRows = 1_000;
    private const int FewestRowsToTune = 100;
    private const double DefaultPenalty = 0.01;
    private const int DefaultFreeRanks = 5;

    private static readonly double[] Penalties = [0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5];

    private readonly List<double> _scores = [];
    private readonly List<int> _ranks = [];     // where the score has a penalty
    private readonly List<int> _labels = [];    // where each class has a threshold

    // Those of the smallest draws, the largest of them first, so that they come from all over the rows, in whatever order these are.
    private readonly PriorityQueue<(float[] Row, int Label), ulong> _tuning = new(Comparer<ulong>.Create((a, b) => b.CompareTo(a)));

    /// <summary>How many rows give the thresholds, after <see cref="Finish"/>.</summary>
    public int Count => _scores.Count;

    /// <summary>About one row of five, drawn by its place: every fifth would be of the same class where classes take turns.</summary>
    public static bool IsTunedOn(int row) => Draw(row) % TuningShare == 0;

    private static ulong Draw(int row)
    {
        ulong state = (ulong)row;
        return SplitMix64.Next(ref state);
    }

    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        int place = _scores.Count + _tuning.Count;
        if (kind.Score != PredictionSetScore.RegularizedAdaptive || !IsTunedOn(place))
        {
            Keep(probabilities, label);
            return;
        }

        ulong draw = Draw(place);
        if (_tuning.Count < MostTuningRows)
            _tuning.Enqueue((probabilities.ToArray(), label), draw);
        else if (_tuning.TryPeek(out _, out ulong largest) && draw < largest)
        {
            (float[] Row, int Label) other = _tuning.DequeueEnqueue((probabilities.ToArray(), label), draw);
            Keep(other.Row, other.Label);
        }
        else
            Keep(probabilities, label);
    }

    private void Keep(ReadOnlySpan<float> probabilities, int label)
    {
        (double score, int rank) = kind.Of(probabilities, label);
        _scores.Add(score);
        if (kind.Score == PredictionSetScore.RegularizedAdaptive)
            _ranks.Add(rank);
        if (perClass)
            _labels.Add(label);
    }

    /// <summary>The kind of score with its two numbers, and the thresholds: one, or one for each class.</summary>
    /// <param name="classNames">For the warnings.</param>
    /// <param name="channel">Gets the warnings.</param>
    /// <param name="oneOfEach">What follows a number of rows in them.</param>
    public (Nonconformity Kind, double[] Thresholds) Finish(IReadOnlyList<string> classNames, IChannel channel, string oneOfEach = "")
    {
        Nonconformity tuned = kind.Score == PredictionSetScore.RegularizedAdaptive ? Tune() : kind;
        Span<double> scores = CollectionsMarshal.AsSpan(_scores);
        for (int row = 0; row < _ranks.Count; row++)
            scores[row] = tuned.Penalised(scores[row], _ranks[row]);
        int needed = ConformalThreshold.RowsNeeded(coverage);
        List<double>[] ofClass = perClass ? OfClass(scores) : [];       // before the scores lose their order
        double common = ConformalThreshold.Of(scores, coverage);
        if (double.IsPositiveInfinity(common))
            channel.Warning(Invariant($"{scores.Length} row(s){oneOfEach} cannot promise a coverage of {100 * coverage:G4} %: ")
                + $"it takes at least {needed}. Every set is all classes.");
        if (!perClass)
            return (tuned, [common]);

        int[] few = [.. Enumerable.Range(0, numberOfClasses).Where(k => ofClass[k].Count < needed)];
        if (few.Length > 0)
            channel.Warning($"{few.Length} class(es) have fewer than the {needed} rows{oneOfEach} that a threshold of their own takes, "
                + "and get the common one, which promises nothing for them: "
                + $"{string.Join(", ", few.Take(10).Select(k => $"{classNames[k]} ({ofClass[k].Count})"))}"
                + (few.Length > 10 ? ", …" : "."));
        return (tuned, [.. ofClass.Select(list => list.Count < needed ? common
            : ConformalThreshold.Of(CollectionsMarshal.AsSpan(list), coverage))]);
    }

    /// <summary>How many rows give each threshold, after <see cref="Finish"/>; 0 where a class has none of its own.</summary>
    public long[] RowsOfThresholds()
    {
        if (!perClass)
            return [Count];
        long[] rows = new long[numberOfClasses];
        foreach (int label in _labels)
            rows[label]++;
        int needed = ConformalThreshold.RowsNeeded(coverage);
        return [.. rows.Select(ofClass => ofClass < needed ? 0 : ofClass)];
    }

    private List<double>[] OfClass(ReadOnlySpan<double> scores)
    {
        List<double>[] ofClass = [.. Enumerable.Range(0, numberOfClasses).Select(_ => new List<double>())];
        for (int row = 0; row < scores.Length; row++)
            ofClass[_labels[row]].Add(scores[row]);
        return ofClass;
    }

    /// <summary>k: the rank that holds enough of the true classes; λ: of a few, that of the smallest sets.</summary>
    private Nonconformity Tune()
    {
        if (!CanSpareRows())
        {
            foreach (((float[] row, int label), _) in _tuning.UnorderedItems)
                Keep(row, label);
            _tuning.Clear();
            return kind with { Penalty = DefaultPenalty, FreeRanks = DefaultFreeRanks };
        }

        (float[] Row, int Label)[] rows = [.. _tuning.UnorderedItems.Select(item => item.Element)];
        (double Score, int Rank)[] truths = [.. rows.Select(item => kind.Of(item.Row, item.Label))];
        int[] ranks = [.. truths.Select(truth => truth.Rank).Order()];
        int freeRanks = ranks[Math.Min(ranks.Length - 1, (int)Math.Ceiling(coverage * ranks.Length) - 1)];
        int[] set = new int[numberOfClasses];
        RankedClasses ranked = new(numberOfClasses);
        return Penalties.Select(penalty => kind with { Penalty = penalty, FreeRanks = freeRanks }).MinBy(candidate =>
        {
            double[] scores = [.. truths.Select(truth => candidate.Penalised(truth.Score, truth.Rank))];
            double[] threshold = [ConformalThreshold.Of(scores, coverage)];
            return rows.Sum(item => (long)candidate.Fill(item.Row, threshold, set, ranked));
        })!;
    }

    /// <summary>Whether the rows that are tuned on tell one penalty from another, by a threshold that is finite, and whether those that are
    /// left promise all that the rows together would.</summary>
    private bool CanSpareRows()
    {
        int needed = ConformalThreshold.RowsNeeded(coverage);
        if (_scores.Count + _tuning.Count < FewestRowsToTune || _tuning.Count < needed || _scores.Count < needed)
            return false;
        if (!perClass)
            return true;
        int[] left = new int[numberOfClasses], spared = new int[numberOfClasses];
        foreach (int label in _labels)
            left[label]++;
        foreach (((_, int label), _) in _tuning.UnorderedItems)
            spared[label]++;
        return !left.Zip(spared).Any(ofClass => ofClass.First < needed && ofClass.First + ofClass.Second >= needed);
    }
}
