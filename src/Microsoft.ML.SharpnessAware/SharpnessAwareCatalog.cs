using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace Microsoft.ML;

/// <summary>The extension methods by which ML.NET users reach this library.</summary>
public static class SharpnessAwareCatalog
{
    /// <summary>
    /// Measures how well the probabilities of a multiclass model match what happened, whatever trainer made them. One pass over the two
    /// columns.
    /// </summary>
    /// <param name="catalog">The multiclass catalog of the context.</param>
    /// <param name="data">Scored data, as <c>model.Transform(testData)</c> gives it.</param>
    /// <param name="labelColumnName">The true class: a key with as many values as there are scores.</param>
    /// <param name="scoreColumnName">The class probabilities: a vector of known size of <see cref="float"/>. Each row must sum to 1 within
    /// 0.01.</param>
    /// <param name="numberOfBins">The number of confidence bins. 15 is the usual choice (Guo et al. 2017), so numbers can be compared with
    /// the literature.</param>
    /// <returns>The metrics, with the reliability diagram.</returns>
    /// <remarks>
    /// Rows with a missing or unknown label, or with a NaN or infinite score, are left out as <c>Evaluate</c> leaves them out; they are
    /// counted in <see cref="MulticlassCalibrationMetrics.SkippedRows"/> and reported as a warning to the context's log.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, the label's key count is not the number of
    /// scores, or <paramref name="numberOfBins"/> is out of range.</exception>
    /// <exception cref="InvalidOperationException">There is no row to evaluate, or scores are not probabilities (negative, above 1, or a
    /// sum far from 1); the message names the row.</exception>
    /// <example>
    /// <code>
    /// MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(testData));
    /// Console.WriteLine(metrics);
    /// metrics.ReliabilityDiagram.SavePng("reliability.png");
    /// </code>
    /// </example>
    public static MulticlassCalibrationMetrics EvaluateCalibration(this MulticlassClassificationCatalog catalog, IDataView data,
        string labelColumnName = "Label", string scoreColumnName = "Score", int numberOfBins = 15)
        => CalibrationEvaluator.Evaluate(CatalogUtils.GetEnvironment(catalog), data, labelColumnName, scoreColumnName, numberOfBins);
}
