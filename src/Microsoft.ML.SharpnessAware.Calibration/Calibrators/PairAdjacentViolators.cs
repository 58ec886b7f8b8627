using System.Runtime.CompilerServices;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Isotonic regression of one class against the rest with ML.NET's own trainer.</summary>
/// <remarks>
/// The trainer is given the ranks of the distinct scores instead of the scores, each with the number of its rows, first those of the
/// class. Thus equal scores are pooled before they are compared with their neighbours (of equal scores, the trainer would compare each row
/// as it comes and could pool too much), and the order of the rows does not matter.
/// </remarks>
internal static class PairAdjacentViolators
{
    /// <summary>The trainer counts in float32, which is exact up to here.</summary>
    public const int MaximumNumberOfRows = 1 << 23;

    /// <summary>Fits a non-decreasing function.</summary>
    /// <param name="environment">The environment of ML.NET's trainer.</param>
    /// <param name="channel">Where ML.NET's trainer reports.</param>
    /// <param name="scores">The score of each row; sorted here.</param>
    /// <param name="isClass">Whether the row is of the class; sorted with the scores.</param>
    public static IsotonicCalibrator Fit(IHostEnvironment environment, IChannel channel, float[] scores, bool[] isClass)
    {
        Array.Sort(scores, isClass);
        var trainer = new PavCalibratorTrainer(environment);
        MaximumNumberOfSamples(trainer) = 2 * scores.Length;
        List<float> distinct = [];
        for (int start = 0, end; start < scores.Length; start = end)
        {
            int ofClass = 0;
            for (end = start; end < scores.Length && scores[end] == scores[start]; end++)
                ofClass += isClass[end] ? 1 : 0;
            Process(trainer, 2 * distinct.Count, isClass: true, ofClass);
            Process(trainer, 2 * distinct.Count + 1, isClass: false, end - start - ofClass);
            distinct.Add(scores[start]);
        }

        var ranked = (IsotonicCalibrator)((ICalibratorTrainer)trainer).FinishTraining(channel);
        return new IsotonicCalibrator(environment,
            [.. ranked.Mins.Select(Score)], [.. ranked.Maxes.Select(Score)], ranked.Values);

        float Score(float rank) => distinct[(int)rank / 2];
    }

    private static void Process(ICalibratorTrainer trainer, int rank, bool isClass, int rows)
    {
        if (rows > 0)
            trainer.ProcessTrainingExample(rank, isClass, rows);
    }

    // By default the trainer keeps a million rows, beyond that a random sample that differs from run to run.
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "MaxNumSamples")]
    private static extern ref int MaximumNumberOfSamples(CalibratorTrainerBase trainer);
}
