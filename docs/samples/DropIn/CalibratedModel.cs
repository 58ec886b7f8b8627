using Microsoft.ML.SharpnessAware;

namespace DropInSample;

/// <summary>A model that is as sure as another one, and always right to be.</summary>
internal static class CalibratedModel
{
    private const int Draws = 200;

    /// <summary>The ECE that it would show on as many pictures, by chance alone: the mean where the labels are drawn from the
    /// probabilities themselves.</summary>
    public static double MeanEce(float[][] probabilities, int seed)
    {
        var random = new Random(seed);
        int classes = probabilities[0].Length;
        float[] scores = [.. probabilities.SelectMany(row => row)];
        return Enumerable.Range(0, Draws).Average(_ => CalibrationMetrics.Compute(
            scores, [.. probabilities.Select(Draw)], classes).ExpectedCalibrationError);

        int Draw(float[] row)
        {
            double rest = random.NextDouble() * row.Sum();
            int label = 0;
            while (label < classes - 1 && (rest -= row[label]) >= 0)
                label++;
            return label;
        }
    }
}
