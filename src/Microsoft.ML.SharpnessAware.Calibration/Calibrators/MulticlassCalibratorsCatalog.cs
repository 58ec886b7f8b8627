using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The calibrators of multiclass models, <c>mlContext.MulticlassClassification.Calibrators</c>. Each works on the class probabilities or
/// logits of any trainer: LbfgsMaximumEntropy, SdcaMaximumEntropy, LightGbm, OneVersusAll, PairwiseCoupling, this library's, or those of
/// Microsoft.ML.TorchSharp (<see cref="ScoreKind.Logits"/>). NaiveBayes gives logits, too.
/// </summary>
/// <remarks>
/// A calibrator learns from rows that the model was not trained on. <see cref="HeldOut"/> and <see cref="CrossFitted"/> see to that:
/// <code>
/// var calibrators = mlContext.MulticlassClassification.Calibrators;
/// ITransformer model = pipeline.Append(calibrators.HeldOut(trainer, calibrators.Temperature())).Fit(data);
/// </code>
/// For a model that is there already, fit it on other rows, and append it:
/// <code>
/// ITransformer calibrated = model.Append(calibrators.Temperature().Fit(model.Transform(validationData)));
/// </code>
/// In a pipeline by itself, <c>pipeline.Append(calibrators.Temperature())</c>, it is fitted on the training rows, of which a model is
/// surer than it should be: LightGBM's log loss rose from 0.94 to 2.0 by it. A warning says so.
/// <list type="table">
/// <listheader><term>Calibrator</term><description>When</description></listheader>
/// <item><term>Temperature</term><description>First; from about a hundred rows on.</description></item>
/// <item><term>Vector</term><description>Some classes are wrong in particular; from several hundred rows on.</description></item>
/// <item><term>Dirichlet</term><description>Certain classes are confused with each other; from several hundred rows
/// on.</description></item>
/// <item><term>StructuredMatrix</term><description>The same, more cautiously.</description></item>
/// <item><term>Isotonic</term><description>No formula fits; from several thousand rows on.</description></item>
/// </list>
/// All of them count a probability as at least 2⁻²² / K for K classes, the resolution of <see cref="float"/>: a model that says 0 has
/// rounded. Logits have not: all but Isotonic read differences of up to 708 from them, and T may be up to 1,000 then.
/// </remarks>
public sealed class MulticlassCalibratorsCatalog
{
    private readonly IHostEnvironment _environment;

    internal MulticlassCalibratorsCatalog(IHostEnvironment environment) => _environment = environment;

    /// <summary>
    /// Temperature scaling (<see href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</see>): p' = softmax(ln p / T), with one number T
    /// for all classes. The first calibrator to try: hard to overfit, and the predicted class never changes.
    /// </summary>
    /// <remarks>
    /// <para>T minimises the log loss summed over the rows plus 4 (β − 1 − ln β), β = 1/T: a prior that holds T to 1 where there are few
    /// rows, or where all of them are right and the log loss alone would make certainties of them (docs/evidence.md chose its weight). The
    /// sum is convex in
    /// β, so there is one minimum, searched for in [0.01, 100], for logits up to 1,000.</para>
    /// <para>With up to 2,000 rows they are also dealt into ten parts, each judged by the temperature of the others: where that does worse
    /// than T = 1 by more than 1.6 standard errors, or the log loss of the rows themselves is not lower, T is 1.</para>
    /// </remarks>
    /// <param name="labelColumnName">The true class: a key of the classes, matched by name with those of the scores.</param>
    /// <param name="scoreColumnName">The class probabilities or logits, which are replaced by calibrated probabilities.</param>
    /// <param name="predictedLabelColumnName">The predicted class; left as it is, or added where there is none.</param>
    /// <param name="scoreKind">What the scores are.</param>
    /// <exception cref="ArgumentException">A column name is empty, or <paramref name="scoreKind"/> is not a defined value.</exception>
    public MulticlassCalibratorEstimator Temperature(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel,
        ScoreKind scoreKind = ScoreKind.Probabilities) =>
        new TemperatureCalibratorEstimator(_environment, labelColumnName, Columns(scoreColumnName, predictedLabelColumnName, scoreKind));

    /// <summary>
    /// Vector scaling (<see href="https://arxiv.org/abs/1706.04599">Guo et al. 2017</see>): p' = softmax(a ∘ ln p + b), a scale and a bias
    /// for each class. For models that are wrong about some classes in particular, for example because these are rarer or more common now
    /// than in training. Needs several hundred rows, and some of each class.
    /// </summary>
    /// <remarks>
    /// It begins with the temperature T, a = 1/T and b = 0, and minimises the log loss summed over the rows plus ridge/2 · Σ b_k² plus
    /// 5 Σ (T a_k − 1)², a convex function, by L-BFGS. The last term holds scales to within about a third of the common one, unless there
    /// are rows enough to say otherwise: without it, fifty rows of ten classes gave probabilities far worse than the temperature alone
    /// did. The targets are smoothed, as if the temperature-scaled model counted as one row more, which keeps the minimum finite whatever
    /// the rows, also where the model is always right or a class never occurs. With up to 2,000 rows what is fitted is drawn back towards
    /// the temperature, by a quarter, a half, three quarters or all of the way, as a cross-fit of the rows says: fifty rows of ten classes
    /// say nothing but chance. The log loss on the rows never rises above that of the temperature.
    /// </remarks>
    /// <param name="labelColumnName">The true class: a key of the classes, matched by name with those of the scores.</param>
    /// <param name="scoreColumnName">The class probabilities or logits, which are replaced by calibrated probabilities.</param>
    /// <param name="predictedLabelColumnName">The predicted class, which is replaced, or added where there is none.</param>
    /// <param name="ridge">
    /// How strongly biases are kept near 0: ridge/2 for each squared bias is added to the log loss summed over the rows, as a normal prior
    /// of variance 1/ridge would. 1 lets some dozens of rows of a class overrule it, and gives in to no single row: a bias of 1 already
    /// multiplies the odds of a class by 2.7.
    /// </param>
    /// <param name="scoreKind">What the scores are.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="ridge"/> is negative or not finite, or <paramref name="scoreKind"/> is
    /// not a defined value.</exception>
    public MulticlassCalibratorEstimator Vector(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel,
        double ridge = 1,
        ScoreKind scoreKind = ScoreKind.Probabilities) =>
        new VectorCalibratorEstimator(_environment, labelColumnName, Columns(scoreColumnName, predictedLabelColumnName, scoreKind), ridge);

    /// <summary>
    /// Isotonic regression (<see href="https://doi.org/10.1145/775047.775151">Zadrozny and Elkan 2002</see>): a non-decreasing function
    /// for each class against the rest, by ML.NET's pair-adjacent-violators trainer, renormalised. Takes no form for granted, so it can
    /// mend what a temperature cannot, and needs thousands of rows not to overfit.
    /// </summary>
    /// <remarks>
    /// <para>What it gives is mixed with the temperature-scaled model, p' = (1 − w) q + w softmax(ln p / T), where T is the temperature
    /// that fits the rows but at least 1: the more cautious of the two. The weight w is the one of the lowest log loss, but at least 1 /
    /// (N + 1), as if that model counted as one row more: no class becomes impossible because the N rows happened not to have it. Since
    /// the log loss is convex in w, it is not above that of w = 1.</para>
    /// <para>Takes at most 8,388,608 rows.</para>
    /// </remarks>
    /// <param name="labelColumnName">The true class: a key of the classes, matched by name with those of the scores.</param>
    /// <param name="scoreColumnName">The class probabilities or logits, which are replaced by calibrated probabilities.</param>
    /// <param name="predictedLabelColumnName">The predicted class, which is replaced, or added where there is none.</param>
    /// <param name="scoreKind">What the scores are.</param>
    /// <exception cref="ArgumentException">A column name is empty, or <paramref name="scoreKind"/> is not a defined value.</exception>
    public MulticlassCalibratorEstimator Isotonic(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel,
        ScoreKind scoreKind = ScoreKind.Probabilities) =>
        new IsotonicCalibratorEstimator(_environment, labelColumnName, Columns(scoreColumnName, predictedLabelColumnName, scoreKind));

    /// <summary>
    /// Dirichlet calibration (<see href="https://arxiv.org/abs/1910.12656">Kull et al. 2019</see>): p' = softmax(W ln p + b), a matrix and
    /// a bias with off-diagonal and intercept regularisation (ODIR). For models that confuse certain classes with each other. It has the
    /// most parameters, so it needs the most rows: several hundred.
    /// </summary>
    /// <remarks>
    /// <para>It begins with the temperature T, W = I/T and b = 0, and minimises the log loss summed over the rows plus
    /// λ/2 · Σ_{i≠j} (T w_ij)² + μ/2 · Σ b_i² + 5 Σ (T w_ii − 1)², a convex function, by L-BFGS. Thus λ means the same however
    /// overconfident the model is, and all three terms fade as rows are added. (The paper's λ' and μ' weigh mean squares against the mean
    /// log loss, with T = 1 and without the last term: λ = 2 N λ' / (K (K − 1)), μ = 2 N μ' / K for N rows of K classes.) The targets are
    /// smoothed, as if the temperature-scaled model counted as one row more, which keeps the minimum finite whatever the rows, also where
    /// the model is always right or a class never occurs. With up to 2,000 rows it is drawn back towards the temperature as <see
    /// cref="Vector"/> is. The log loss on the rows never rises above that of the temperature.</para>
    /// <para>At most 128 classes, since W has the square of that many numbers, more than rows to learn them from can be had, and each step
    /// of the fit takes time in proportion. For more use vector or temperature scaling.</para>
    /// </remarks>
    /// <param name="labelColumnName">The true class: a key of the classes, matched by name with those of the scores.</param>
    /// <param name="scoreColumnName">The class probabilities or logits, which are replaced by calibrated probabilities.</param>
    /// <param name="predictedLabelColumnName">The predicted class, which is replaced, or added where there is none.</param>
    /// <param name="offDiagonalRegularization">
    /// λ, how strongly the weights between different classes are kept near 0, as a normal prior of variance 1/λ would; see the remarks. By
    /// default the number of classes: all other classes together then count, before any row is seen, about as much as the class's own
    /// score. 0 needs very many rows.
    /// </param>
    /// <param name="biasRegularization">μ, the same for biases, as the ridge of <see cref="Vector"/>.</param>
    /// <param name="scoreKind">What the scores are.</param>
    /// <exception cref="ArgumentOutOfRangeException">A strength is negative or not finite, or <paramref name="scoreKind"/> is
    /// not a defined value.</exception>
    public MulticlassCalibratorEstimator Dirichlet(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel,
        double? offDiagonalRegularization = null,
        double biasRegularization = 1,
        ScoreKind scoreKind = ScoreKind.Probabilities) =>
        new DirichletCalibratorEstimator(_environment, labelColumnName, Columns(scoreColumnName, predictedLabelColumnName, scoreKind),
            offDiagonalRegularization, biasRegularization);

    /// <summary>
    /// A structured matrix (<see href="https://arxiv.org/abs/2511.03685">arXiv:2511.03685</see>): p' = softmax((I + Δ) ln p / T + b),
    /// corrections on top of a temperature, held to 0 the more strongly the more classes there are: <see cref="Dirichlet"/> with other,
    /// stronger penalties.
    /// </summary>
    /// <remarks>
    /// Minimises the log loss summed over n rows of K classes plus K (Σ b_k² + Σ Δ_kk²) + K (K − 1) Σ_{i≠j} Δ_ij², a convex function, by
    /// L-BFGS, beginning with the temperature; targets are smoothed, and few rows draw it back towards the temperature, as for <see
    /// cref="Dirichlet"/>. What is fitted is a <see cref="DirichletCalibrator"/>, W = (I + Δ)/T. At most 128
    /// classes.
    /// </remarks>
    /// <param name="labelColumnName">The true class: a key of the classes, matched by name with those of the scores.</param>
    /// <param name="scoreColumnName">The class probabilities or logits, which are replaced by calibrated probabilities.</param>
    /// <param name="predictedLabelColumnName">The predicted class, which is replaced, or added where there is none.</param>
    /// <param name="scoreKind">What the scores are.</param>
    /// <exception cref="ArgumentException">A column name is empty, or <paramref name="scoreKind"/> is not a defined value.</exception>
    public MulticlassCalibratorEstimator StructuredMatrix(
        string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score,
        string predictedLabelColumnName = DefaultColumnNames.PredictedLabel,
        ScoreKind scoreKind = ScoreKind.Probabilities) =>
        new StructuredMatrixEstimator(_environment, labelColumnName, Columns(scoreColumnName, predictedLabelColumnName, scoreKind));

    /// <summary>
    /// Trains a model on a part of the rows and calibrates it on the rest, which it has not seen: the estimator to put in a pipeline or
    /// into a cross-validation where a calibrator alone would be fitted on training rows.
    /// </summary>
    /// <remarks>
    /// <para>One training. The model sees less data, and the calibrator only <paramref name="fraction"/> of it; with few rows take <see
    /// cref="CrossFitted"/>. Rows are drawn at random.</para>
    /// <para>With <paramref name="samplingKeyColumnName"/> the groups that the data have are dealt to the two sides, so that the calibrator
    /// gets its share of the rows to within a group, also after a split or in a cross-validation by the same column. A row without a value
    /// is a group by itself, with a warning. Two groups are enough. How far the calibrator is drawn back where rows are few is judged by
    /// whole groups, too, as long as the scored rows still have the column.</para>
    /// </remarks>
    /// <param name="estimator">What makes scores: a trainer, or a pipeline that ends in one.</param>
    /// <param name="calibrator">A calibrator of this catalog.</param>
    /// <param name="fraction">The share of the rows for the calibrator, above 0 and below 1. A quarter leaves most to the model.</param>
    /// <param name="samplingKeyColumnName">Rows of equal value in this column, a text, key, number, Boolean or date, are not divided, so
    /// that, say, pictures of one patient are not both trained on and calibrated with; by default there is no such column.</param>
    /// <param name="seed">Decides which rows the calibrator gets; by default the seed of the context.</param>
    /// <returns>An estimator whose model is the trained one followed by the fitted calibrator. Its Fit throws <see
    /// cref="InvalidOperationException"/>, before the training, where a side would have no rows.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="fraction"/> is not between 0 and 1.</exception>
    /// <example>
    /// <code>
    /// var calibrators = mlContext.MulticlassClassification.Calibrators;
    /// var pipeline = mlContext.Transforms.Conversion.MapValueToKey("Label")
    ///     .Append(calibrators.HeldOut(mlContext.MulticlassClassification.Trainers.LightGbm(), calibrators.Temperature()))
    ///     .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
    /// </code>
    /// </example>
    public IEstimator<TransformerChain<MulticlassCalibratorTransformer>> HeldOut(IEstimator<ITransformer> estimator,
        MulticlassCalibratorEstimator calibrator, double fraction = 0.25, string? samplingKeyColumnName = null,
        int? seed = null)
    {
        ArgumentNullException.ThrowIfNull(estimator);
        ArgumentNullException.ThrowIfNull(calibrator);
        return new HeldOutEstimator(
            _environment, estimator, calibrator, Require.Share(fraction, nameof(fraction)), samplingKeyColumnName, seed);
    }

    /// <summary>
    /// Calibrates a model that is trained on all rows: other models, each trained without one part of them, score the parts, and the
    /// calibrator is fitted on these scores. For few rows, where <see cref="HeldOut"/> could spare none.
    /// </summary>
    /// <remarks>
    /// <para><paramref name="numberOfFolds"/> + 1 trainings. The calibrator is fitted on all rows, but on scores of models that saw a
    /// little less than the one that is kept, so it leaves this one a little less sure than it might be (scikit-learn's
    /// CalibratedClassifierCV with ensemble=False does the same).</para>
    /// <para>With <paramref name="samplingKeyColumnName"/> the groups that the data have are dealt to the parts as evenly as they can be; a
    /// row without a value is a group by itself, with a warning. Where there are fewer groups, or rows, than <paramref
    /// name="numberOfFolds"/>, there are fewer parts. How far the calibrator is drawn back where rows are few is judged by whole groups,
    /// too, as long as the scored rows still have the column.</para>
    /// </remarks>
    /// <param name="estimator">What makes scores: a trainer, or a pipeline that ends in one.</param>
    /// <param name="calibrator">A calibrator of this catalog.</param>
    /// <param name="numberOfFolds">The number of parts, at least 2.</param>
    /// <param name="samplingKeyColumnName">Rows of equal value in this column, a text, key, number, Boolean or date, stay in the same part;
    /// by default there is no such column.</param>
    /// <param name="seed">Decides which row is in which part; by default the seed of the context.</param>
    /// <returns>An estimator whose model is the trained one followed by the fitted calibrator. Its Fit throws <see
    /// cref="InvalidOperationException"/>, before the trainings, where all rows belong together.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="numberOfFolds"/> is less than 2.</exception>
    public IEstimator<TransformerChain<MulticlassCalibratorTransformer>> CrossFitted(IEstimator<ITransformer> estimator,
        MulticlassCalibratorEstimator calibrator, int numberOfFolds = 5, string? samplingKeyColumnName = null, int? seed = null)
    {
        ArgumentNullException.ThrowIfNull(estimator);
        ArgumentNullException.ThrowIfNull(calibrator);
        ArgumentOutOfRangeException.ThrowIfLessThan(numberOfFolds, 2);
        return new CrossFittedEstimator(_environment, estimator, calibrator, numberOfFolds, samplingKeyColumnName, seed);
    }

    private static CalibratorColumns Columns(string scoreColumnName, string predictedLabelColumnName, ScoreKind scoreKind)
    {
        ArgumentException.ThrowIfNullOrEmpty(scoreColumnName);
        ArgumentException.ThrowIfNullOrEmpty(predictedLabelColumnName);
        return new CalibratorColumns(scoreColumnName, predictedLabelColumnName, Require.Defined(scoreKind, nameof(scoreKind)));
    }
}
