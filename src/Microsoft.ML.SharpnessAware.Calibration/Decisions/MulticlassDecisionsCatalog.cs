using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What to do with the probabilities of a multiclass model, <c>mlContext.MulticlassClassification.Decisions</c>: sets of classes that
/// contain the true one as often as asked, and a threshold of confidence above which the model is right as often as asked. Each works on
/// the scores of any trainer.
/// </summary>
/// <remarks>
/// Fit them on rows that neither the model nor its calibrator has seen, and append them to the model:
/// <code>
/// var sets = mlContext.MulticlassClassification.Decisions.PredictionSets(coverage: 0.95).Fit(model.Transform(decisionData));
/// ITransformer deciding = model.Append(sets);
/// </code>
/// In a pipeline by itself, <c>trainer.Append(decisions.PredictionSets())</c>, a decision is fitted on the training rows and promises
/// nothing. A warning says so (not where the trainer is ML.NET's <c>ImageClassification</c>, which does not tell that it trains).
/// What is promised holds for rows drawn as those were, on average over them: not for other kinds of rows, nor for one row by itself. And
/// it takes the rows of Fit as independent: where rows belong together (pictures of one patient, frames of one film) name the column that
/// tells them apart as <c>clusterColumnName</c>. See docs/decisions.md.
/// </remarks>
public sealed class MulticlassDecisionsCatalog
{
    private readonly IHostEnvironment _environment;

    internal MulticlassDecisionsCatalog(IHostEnvironment environment) => _environment = environment;

    /// <summary>
    /// Sets of classes, most probable first, that contain the true one with probability at least <paramref name="coverage"/>: split
    /// conformal prediction (Vovk et al. 2005), whatever the model is and however badly it is calibrated.
    /// </summary>
    /// <remarks>
    /// <para>Adds <paramref name="outputColumnName"/>, a vector of keys with the classes' values, so that MapKeyToValue gives names, and
    /// the same name with
    /// "Size" added, an <see cref="int"/>. A class is in the set if its score (<see cref="PredictionSetScore"/>) is at most the ⌈(n + 1) ·
    /// coverage⌉-th smallest of the true classes' scores of the n rows of Fit. Over draws of these and of the row to come the set contains
    /// the true class with a probability from coverage to coverage + 1/(n + 1), where scores are continuous. Fewer than coverage / (1 −
    /// coverage) rows promise nothing: every set is then all classes, and a warning says how many it takes. The rows must be independent:
    /// for rows that belong together give <paramref name="clusterColumnName"/>.</para>
    /// <para>The adaptive scores are randomised by a hash of the seed and of the row's second and third largest probability, rounded to
    /// about 1 %: a row gets the same set whenever its scores are the same, and nearly always where they differ in their last digits
    /// only, as in a batch of another size.</para>
    /// </remarks>
    /// <param name="coverage">How often the set must contain the true class, above 0 and below 1.</param>
    /// <param name="score">What classes are ordered by.</param>
    /// <param name="perClass">Whether each class gets a threshold of its own, so that the promise holds for the rows of each class
    /// (Mondrian, Vovk et al. 2005). It takes coverage / (1 − coverage) rows of each; a class with fewer gets the common threshold, with a
    /// warning.</param>
    /// <param name="labelColumnName">The true class: a key. Needed by Fit only.</param>
    /// <param name="scoreColumnName">The class probabilities or logits.</param>
    /// <param name="outputColumnName">The column of sets.</param>
    /// <param name="seed">Of the adaptive scores' randomness, and of the choice among the rows of a cluster; by default 0.</param>
    /// <param name="scoreKind">What the scores are.</param>
    /// <param name="clusterColumnName">Rows of the same value in this column belong together (pictures of one patient, frames of one film).
    /// Fit then takes one row of each, drawn by its place alone, since these are independent (Dunn, Wasserman and Ramdas 2022), and the
    /// promise holds for a row of a cluster to come, each cluster counted once. The numbers of rows that it takes are numbers of clusters.
    /// A row where it is missing stands for itself. A text, key, number, Boolean or date; needed by Fit only.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="coverage"/> is not between 0 and 1, or <paramref name="score"/> or
    /// <paramref name="scoreKind"/> is not a defined value.</exception>
    /// <exception cref="ArgumentException">The name of a column is empty.</exception>
    public IEstimator<PredictionSetTransformer> PredictionSets(double coverage = 0.9,
        PredictionSetScore score = PredictionSetScore.Adaptive,
        bool perClass = false, string labelColumnName = DefaultColumnNames.Label, string scoreColumnName = DefaultColumnNames.Score,
        string outputColumnName = "PredictionSet", int? seed = null, ScoreKind scoreKind = ScoreKind.Probabilities,
        string? clusterColumnName = null)
    {
        Require.Share(coverage, nameof(coverage));
        Require.Defined(score, nameof(score));
        return new PredictionSetEstimator(_environment,
            Columns(labelColumnName, scoreColumnName, outputColumnName, scoreKind, clusterColumnName),
            new Nonconformity(score, seed ?? 0), coverage, perClass);
    }

    /// <summary>
    /// Accepts the rows whose confidence is above a threshold that is chosen so that the model is right on at least <paramref
    /// name="accuracy"/> of them, with <paramref name="confidence"/> (<see href="https://arxiv.org/abs/1705.08500">Geifman and El-Yaniv
    /// 2017</see>).
    /// </summary>
    /// <remarks>
    /// Adds <paramref name="outputColumnName"/>, a <see cref="bool"/>; PredictedLabel is left as it is. The threshold is that of the
    /// largest of 40 coverages (1/40 of the rows, 2/40, …) at which so few mistakes would have a probability of at most (1 − confidence) /
    /// 40 if the accuracy were lower than asked. So in at most 1 − confidence of all draws of the rows of Fit the promise is broken, if
    /// they are independent: for rows that belong together give <paramref name="clusterColumnName"/>. Where none passes, nothing is
    /// accepted, and a warning says what could be promised.
    /// </remarks>
    /// <param name="accuracy">How often accepted rows must be right, above 0 and below 1.</param>
    /// <param name="confidence">How sure that must be, above 0 and below 1.</param>
    /// <param name="labelColumnName">The true class: a key. Needed by Fit only.</param>
    /// <param name="scoreColumnName">The class probabilities or logits.</param>
    /// <param name="outputColumnName">The column of decisions.</param>
    /// <param name="scoreKind">What the scores are.</param>
    /// <param name="clusterColumnName">As for <see cref="PredictionSets"/>: what rows belong to. Fit then takes one row of each
    /// cluster.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="accuracy"/> or <paramref name="confidence"/> is not between 0 and 1,
    /// or <paramref name="scoreKind"/> is not a defined value.</exception>
    /// <exception cref="ArgumentException">The name of a column is empty.</exception>
    public IEstimator<AbstentionTransformer> Abstain(double accuracy = 0.99, double confidence = 0.95,
        string labelColumnName = DefaultColumnNames.Label, string scoreColumnName = DefaultColumnNames.Score, string outputColumnName =
            "Accepted",
        ScoreKind scoreKind = ScoreKind.Probabilities, string? clusterColumnName = null)
    {
        Require.Share(accuracy, nameof(accuracy));
        Require.Share(confidence, nameof(confidence));
        return new AbstentionEstimator(_environment,
            Columns(labelColumnName, scoreColumnName, outputColumnName, scoreKind, clusterColumnName), accuracy, confidence);
    }

    private static DecisionColumns Columns(string labelColumnName, string scoreColumnName, string outputColumnName, ScoreKind scoreKind,
        string? clusterColumnName)
    {
        ArgumentException.ThrowIfNullOrEmpty(labelColumnName);
        ArgumentException.ThrowIfNullOrEmpty(scoreColumnName);
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        if (clusterColumnName is not null)
            CodedColumn.CheckClusterName(clusterColumnName);
        return new DecisionColumns(labelColumnName, scoreColumnName, outputColumnName, Require.Defined(scoreKind, nameof(scoreKind)))
        {
            ClusterColumnName = clusterColumnName,
        };
    }
}
