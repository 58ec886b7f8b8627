using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Selection with a guarantee (<see href="https://arxiv.org/abs/1705.08500">Geifman and El-Yaniv 2017</see>): of some coverages that were
/// fixed beforehand, the largest at which so few mistakes are unlikely if the accuracy were lower than asked. Bonferroni's correction pays
/// for their number.
/// </summary>
/// <remarks>
/// For the c most confident rows the threshold is the confidence of the next one. Given that, they are independent draws from what lies
/// above it, so their mistakes are binomial, and the test is exact for each c; with ties there are fewer of them, and it stays so.
/// </remarks>
internal sealed class AbstentionFit(double accuracy, double confidence)
{
    /// <summary>How many coverages are tried: 1/40, 2/40, …, all rows.</summary>
    private const int Steps = 40;

    private readonly ConfidenceRanking _rows = new();

    public long Count => _rows.Count;

    /// <summary>With no mistake at all, how many rows must be accepted.</summary>
    public static long RowsNeeded(double accuracy, double confidence) =>
        (long)Math.Min(long.MaxValue, Math.Ceiling(Math.Log((1 - confidence) / Steps) / Math.Log(accuracy) - 1e-9));

    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        int predicted = TensorPrimitives.IndexOfMax(probabilities);
        _rows.Add(probabilities[predicted], predicted == label);
    }

    public AbstentionChoice Finish()
    {
        _rows.Sort();
        double level = (1 - confidence) / Steps;
        var choice = new AbstentionChoice(double.PositiveInfinity, 0, 0, 0, 0);
        int accepted = 0;
        long mistakes = 0;
        for (int step = 1; step <= Steps; step++)
        {
            int wanted = (int)((long)_rows.Count * step / Steps);
            // 0 where all are accepted: confidences are above it.
            double threshold = wanted == _rows.Count ? 0 : _rows.FromTop(wanted).Confidence;
            for (; accepted < wanted && _rows.FromTop(accepted).Confidence > threshold; accepted++)
                mistakes += _rows.FromTop(accepted).Correct ? 0 : 1;
            if (accepted == 0)
                continue;
            if (BinomialTail.AtMost(mistakes, accepted, 1 - accuracy) <= level)
                choice = choice with { Threshold = threshold, Accepted = accepted, Right = accepted - mistakes };
            double promised = 1 - BinomialTail.UpperBound(mistakes, accepted, level);
            if (promised > choice.BestAccuracy)
                choice = choice with { BestAccuracy = promised, BestAccepted = accepted };
        }

        return choice;
    }
}
