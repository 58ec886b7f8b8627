using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The scores of the true classes of the rows that thresholds are fitted on; a few bytes a row.</summary>
internal sealed class PredictionSetFit(Nonconformity kind, double coverage, int numberOfClasses)
{
    // Angelopoulos et al. tune on a part of the rows that gives no threshold.
    private const int TuningShare = 5;
    private const int MostTuningRows = 1_000;
    private const int FewestRowsToTune = 100;
    private const double DefaultPenalty = 0.01;
    private const int DefaultFreeRanks = 5;

    private static readonly double[] Penalties = [0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5];

    private readonly List<double> _scores = [];
    private readonly List<int> _ranks = [];
    private readonly List<int> _labels = [];
    private readonly List<(float[] Row, int Label)> _tuning = [];

    public int Count => _scores.Count + _tuning.Count;

    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        if (kind.Kind == PredictionSetScore.RegularizedAdaptive && Count % TuningShare == TuningShare - 1 && _tuning.Count < MostTuningRows)
        {
            _tuning.Add((probabilities.ToArray(), label));
            return;
        }

        (double score, int rank) = kind.Of(probabilities, label);
        _scores.Add(score);
        _ranks.Add(rank);
        _labels.Add(label);
    }

    /// <summary>The kind of score with its two numbers, and the thresholds: one, or one for each class.</summary>
    public (Nonconformity Kind, double[] Thresholds) Finish(bool perClass, IReadOnlyList<string> classNames, IChannel channel)
    {
        Nonconformity tuned = kind.Kind == PredictionSetScore.RegularizedAdaptive ? Tune() : kind;
        double[] scores = [.. _scores.Zip(_ranks, tuned.Penalised)];
        int needed = ConformalThreshold.RowsNeeded(coverage);
        double common = ConformalThreshold.Of([.. scores], coverage);
        if (double.IsPositiveInfinity(common))
            channel.Warning($"{scores.Length} row(s) cannot promise a coverage of {100 * coverage:G4} %: it takes at least {needed}. " +
                "Every set is "
                + "all classes.");
        if (!perClass)
            return (tuned, [common]);

        var ofClass = new List<double>[numberOfClasses];
        for (int k = 0; k < numberOfClasses; k++)
            ofClass[k] = [];
        for (int row = 0; row < scores.Length; row++)
            ofClass[_labels[row]].Add(scores[row]);
        int[] few = [.. Enumerable.Range(0, numberOfClasses).Where(k => ofClass[k].Count < needed)];
        if (few.Length > 0)
            channel.Warning($"{few.Length} class(es) have fewer than the {needed} rows that a threshold of their own takes, and get the " +
                "common one, "
                + $"which promises nothing for them: {string.Join(", ", few.Take(10).Select(k => $"{classNames[k]} ({ofClass[k].Count})"))}"
                + (few.Length > 10 ? ", …" : "."));
        return (tuned, [.. ofClass.Select(list => list.Count < needed ? common : ConformalThreshold.Of([.. list], coverage))]);
    }

    /// <summary>k: the rank that holds enough of the true classes; λ: of a few, that of the smallest sets.</summary>
    private Nonconformity Tune()
    {
        if (_tuning.Count + _scores.Count < FewestRowsToTune)
        {
            // Too few to spare a fifth.
            foreach ((float[] row, int label) in _tuning)
            {
                (double score, int rank) = kind.Of(row, label);
                _scores.Add(score);
                _ranks.Add(rank);
                _labels.Add(label);
            }

            return kind with { Penalty = DefaultPenalty, FreeRanks = DefaultFreeRanks };
        }

        (double Score, int Rank)[] truths = [.. _tuning.Select(item => kind.Of(item.Row, item.Label))];
        int[] ranks = [.. truths.Select(truth => truth.Rank).Order()];
        int freeRanks = ranks[Math.Min(ranks.Length - 1, (int)Math.Ceiling(coverage * ranks.Length) - 1)];
        int[] set = new int[numberOfClasses];
        ulong[] scratch = new ulong[numberOfClasses];
        return Penalties.Select(penalty => kind with { Penalty = penalty, FreeRanks = freeRanks }).MinBy(candidate =>
        {
            double[] threshold = [ConformalThreshold.Of([.. truths.Select(truth => candidate.Penalised(truth.Score, truth.Rank))],
                coverage)];
            return _tuning.Sum(item => (long)candidate.Fill(item.Row, threshold, set, scratch));
        })!;
    }
}
