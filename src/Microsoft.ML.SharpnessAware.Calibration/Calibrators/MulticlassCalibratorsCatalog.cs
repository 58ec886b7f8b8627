using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The calibrators of multiclass models, <c>mlContext.MulticlassClassification.Calibrators</c>. Each works on the class probabilities of
/// any trainer: LbfgsMaximumEntropy, SdcaMaximumEntropy, LightGbm, OneVersusAll of calibrated binary trainers, or this library's. (Scores
/// that are not probabilities, as those of NaiveBayes, are refused.)
/// </summary>
/// <remarks>
/// Fit them on rows that the model was not trained on, and append them to the model:
/// <code>
/// ITransformer model = pipeline.Fit(trainingData);
/// var calibrator = mlContext.MulticlassClassification.Calibrators.Temperature().Fit(model.Transform(validationData));
/// ITransformer calibrated = model.Append(calibrator);
/// </code>
/// In a pipeline, <c>pipeline.Append(Calibrators.Temperature())</c>, they would be fitted on the training rows, of which a model is surer
/// than it should be.
/// <list type="table">
/// <listheader><term>Calibrator</term><description>When</description></listheader>
/// <item><term>Temperature</term><description>First; from about a hundred rows on.</description></item>
/// <item><term>Vector</term><description>Some classes are wrong in particular; from some hundred rows on.</description></item>
/// <item><term>Dirichlet</term><description>Certain classes are confused with each other; from some hundred rows per class on.</description></item>
/// <item><term>Isotonic</term><description>The others do not suit; from some thousand rows on.</description></item>
/// </list>
/// </remarks>
public sealed class MulticlassCalibratorsCatalog
{
    private readonly IHostEnvironment _environment;

    internal MulticlassCalibratorsCatalog(IHostEnvironment environment) => _environment = environment;

    /// <summary>Temperature scaling: one number for all classes. Never changes the predicted class.</summary>
    /// <param name="labelColumnName">The true class: a key with as many values as there are scores.</param>
    /// <param name="scoreColumnName">The class probabilities, which are replaced.</param>
    /// <param name="predictedLabelColumnName">The predicted class; left as it is, or added where there is none.</param>
    public TemperatureCalibratorEstimator Temperature(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel) =>
        new(_environment, labelColumnName, scoreColumnName, predictedLabelColumnName);

    /// <summary>Vector scaling: a scale and a bias for each class.</summary>
    /// <param name="labelColumnName">The true class: a key with as many values as there are scores.</param>
    /// <param name="scoreColumnName">The class probabilities, which are replaced.</param>
    /// <param name="predictedLabelColumnName">The predicted class, which is replaced, or added where there is none.</param>
    /// <param name="ridge">
    /// How strongly biases are kept near 0: ridge/2 for each squared bias is added to the log loss summed over the rows, as a normal prior
    /// of variance 1/ridge would. 1 lets some dozens of rows of a class overrule it, and gives in to no single row: a bias of 1 already
    /// multiplies the odds of a class by 2.7.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="ridge"/> is negative or not finite.</exception>
    public VectorCalibratorEstimator Vector(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel,
        double ridge = 1) =>
        new(_environment, labelColumnName, scoreColumnName, predictedLabelColumnName, ridge);

    /// <summary>Isotonic regression of each class against the rest, renormalised.</summary>
    /// <param name="labelColumnName">The true class: a key with as many values as there are scores.</param>
    /// <param name="scoreColumnName">The class probabilities, which are replaced.</param>
    /// <param name="predictedLabelColumnName">The predicted class, which is replaced, or added where there is none.</param>
    public IsotonicCalibratorEstimator Isotonic(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel) =>
        new(_environment, labelColumnName, scoreColumnName, predictedLabelColumnName);

    /// <summary>Dirichlet calibration: a matrix on the log-probabilities.</summary>
    /// <param name="labelColumnName">The true class: a key with as many values as there are scores.</param>
    /// <param name="scoreColumnName">The class probabilities, which are replaced.</param>
    /// <param name="predictedLabelColumnName">The predicted class, which is replaced, or added where there is none.</param>
    /// <param name="offDiagonalRegularization">
    /// λ, how strongly the weights between different classes are kept near 0, as a normal prior of variance 1/λ would; see the remarks of
    /// <see cref="DirichletCalibratorEstimator"/>. By default the number of classes: all other classes together then count, before any
    /// row is seen, about as much as the class's own score. 0 needs very many rows.
    /// </param>
    /// <param name="biasRegularization">The same for biases, as the ridge of <see cref="Vector"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A strength is negative or not finite.</exception>
    public DirichletCalibratorEstimator Dirichlet(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel,
        double? offDiagonalRegularization = null,
        double biasRegularization = 1) =>
        new(_environment, labelColumnName, scoreColumnName, predictedLabelColumnName, offDiagonalRegularization, biasRegularization);
}
