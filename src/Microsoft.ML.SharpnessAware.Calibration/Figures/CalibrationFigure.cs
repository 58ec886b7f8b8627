namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A picture of how well probabilities match what happened, to be saved as PNG or SVG. Colours, hatches, dashes and markers are chosen so
/// that it survives grey printing and can be read by the colour-blind.
/// </summary>
/// <example>
/// <code>
/// CalibrationFigure.ReliabilityComparison([("before", before), ("after", after)]).SavePng("reliability.png");
/// </code>
/// </example>
public sealed class CalibrationFigure
{
    private readonly Figure _figure;

    private CalibrationFigure(Figure figure) => _figure = figure;

    /// <summary>How many models one figure shows at most: more lines could not be told apart.</summary>
    internal static int MaximumNumberOfModels => ModelStyle.Count;

    /// <summary>A reliability diagram: the accuracy of each bin of confidence against the diagonal (of a binary model the share of
    /// positive rows, of one class the share of its rows, in each bin of probability), the gap to the mean confidence
    /// hatched, and below the share of rows in each bin. The same picture as <see cref="ReliabilityDiagramExtensions.SavePng"/>
    /// gives.</summary>
    /// <param name="diagram">The diagram, of a model or of one class.</param>
    /// <param name="title">The heading; "Reliability diagram" by default.</param>
    public static CalibrationFigure Reliability(ReliabilityDiagram diagram, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(diagram);
        return new(ReliabilityFigure.Create(diagram, title));
    }

    /// <summary>The reliability diagrams of several models as lines in one plot, with their ECE, and below the distributions of their
    /// confidence. Bins of fewer than 20 rows have hollow markers: there the line may be chance.</summary>
    /// <param name="models">1 to 8 models with the names to show.</param>
    /// <param name="title">The heading; "Reliability of several models" by default.</param>
    /// <exception cref="ArgumentException">There are no models, or more than 8.</exception>
    public static CalibrationFigure ReliabilityComparison(
        IEnumerable<(string Name, MulticlassCalibrationMetrics Metrics)> models, string? title = null)
        => Comparison(Checked(models), title);

    /// <summary>The same of binary models: how often the rows of each probability are positive.</summary>
    /// <inheritdoc cref="ReliabilityComparison(IEnumerable{ValueTuple{string, MulticlassCalibrationMetrics}}, string?)"/>
    public static CalibrationFigure ReliabilityComparison(
        IEnumerable<(string Name, BinaryCalibrationMetrics Metrics)> models, string? title = null)
        => Comparison(Checked(models), title);

    internal static CalibrationFigure Comparison<TMetrics>(IEnumerable<(string Name, TMetrics Metrics)> models, string? title = null)
        where TMetrics : ClassifierCalibrationMetrics =>
        new(ComparisonFigure.Create([.. models.Select(model => (model.Name, (ClassifierCalibrationMetrics)model.Metrics))], title));

    /// <summary>
    /// A small reliability diagram for each class k: all rows binned by p_k, and the share of each bin's rows that are of class k against
    /// their mean p_k. Of more than 25 classes the 25 with the largest calibration error are shown, worst first; the figure says so. Bins
    /// of fewer than 20 rows are pale.
    /// </summary>
    /// <param name="metrics">The metrics of one model.</param>
    /// <param name="title">The heading; "Reliability of each class" by default.</param>
    public static CalibrationFigure PerClass(MulticlassCalibrationMetrics metrics, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return new(PerClassFigure.Create(metrics, title));
    }

    /// <summary>How confident right predictions are (upwards) and wrong ones (downwards), each as shares of its own kind. A model that
    /// knows what it does not know has its wrong predictions on the left.</summary>
    /// <param name="metrics">The metrics of one model.</param>
    /// <param name="title">The heading; "Confidence of right and wrong predictions" by default.</param>
    public static CalibrationFigure ConfidenceHistogram(MulticlassCalibrationMetrics metrics, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return new(ConfidenceHistogramFigure.Create(metrics, title));
    }

    /// <summary>
    /// Accuracy-rejection curves: the accuracy on the most confident rows against the share of rows that these are, with the area under
    /// the risk-coverage curve (AURC, lower is better). It answers how many rows must be left to a human for a wished accuracy.
    /// </summary>
    /// <param name="models">1 to 8 models with the names to show.</param>
    /// <param name="title">The heading; "Accuracy when unsure predictions are rejected" by default.</param>
    /// <exception cref="ArgumentException">There are no models, or more than 8.</exception>
    public static CalibrationFigure AccuracyRejection(
        IEnumerable<(string Name, MulticlassCalibrationMetrics Metrics)> models, string? title = null)
        => new(AccuracyRejectionFigure.Create(Checked(models), title));

    /// <summary>
    /// How often prediction sets contain the true class against how often they were asked to, with exact 95 % intervals, and the same of
    /// each class of at least 20 rows: sets that keep their promise lie on the diagonal, and the nearer the classes, the more evenly it is
    /// kept.
    /// </summary>
    /// <param name="sets">One or more kinds of sets, each with the coverage that was asked and what <see
    /// cref="CalibrationCatalog.EvaluatePredictionSets"/> measured on rows that they were not fitted on.</param>
    /// <param name="title">The heading; "Coverage of prediction sets" by default.</param>
    /// <exception cref="ArgumentException">There are no sets, some have no metrics, or the metrics know another coverage that was
    /// asked.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A coverage is not between 0 and 1.</exception>
    public static CalibrationFigure PredictionSetCoverage(IEnumerable<(double CoverageAsked, PredictionSetMetrics Metrics)> sets,
        string? title = null)
    {
        ArgumentNullException.ThrowIfNull(sets);
        (double CoverageAsked, PredictionSetMetrics Metrics)[] all = [.. sets];
        if (all.Length == 0 || all.Any(set => set.Metrics is null))
            throw new ArgumentException("There are no prediction sets to show, or some have no metrics (null).", nameof(sets));
        foreach ((double asked, PredictionSetMetrics metrics) in all)
        {
            if (!(asked is > 0 and < 1))
                throw new ArgumentOutOfRangeException(nameof(sets), asked, "A coverage that was asked is above 0 and below 1.");
            if (metrics.CoverageAsked is var known && !double.IsNaN(known) && known != asked)
                throw new ArgumentException(Invariant($"A coverage of {asked} is given for sets that were asked for {known}, as their ")
                    + "metrics say. Give the metrics alone.", nameof(sets));
        }

        return new(SetCoverageFigure.Create(all, title));
    }

    /// <summary>The same, with the coverage that each of the <paramref name="sets"/> knows to have been asked: <see
    /// cref="PredictionSetMetrics.CoverageAsked"/>.</summary>
    /// <param name="sets">What <see cref="CalibrationCatalog.EvaluatePredictionSets"/> measured of one or more kinds of sets, on rows that
    /// they were not fitted on.</param>
    /// <param name="title">The heading; "Coverage of prediction sets" by default.</param>
    /// <exception cref="ArgumentException">There are no sets, some have no metrics, or what was asked of some is not known.</exception>
    public static CalibrationFigure PredictionSetCoverage(IEnumerable<PredictionSetMetrics> sets, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(sets);
        PredictionSetMetrics[] all = [.. sets];
        if (all.Any(metrics => metrics is not null && double.IsNaN(metrics.CoverageAsked)))
            throw new ArgumentException("What coverage was asked of some sets is not known (CoverageAsked is NaN), since another transform "
                + "made their column. Give it with each of them: [(0.9, metrics)].", nameof(sets));
        return PredictionSetCoverage(all.Select(metrics => (metrics?.CoverageAsked ?? double.NaN, metrics!)), title);
    }

    /// <summary>How large prediction sets are, with the rows whose set misses the right class hatched; below, how often the sets of each
    /// size hold it, with exact 95 % intervals. Sizes of fewer than 20 rows have hollow markers.</summary>
    /// <param name="metrics">What <see cref="CalibrationCatalog.EvaluatePredictionSets"/> measured.</param>
    /// <param name="title">The heading; "Sizes of prediction sets" by default.</param>
    public static CalibrationFigure PredictionSetSizes(PredictionSetMetrics metrics, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return new(SetSizesFigure.Create(metrics, title));
    }

    /// <summary>Saves the figure as PNG, 192 pixels an inch.</summary>
    /// <param name="path">The file to write. Its folder is created if need be; an existing file is replaced, but only once the new one is
    /// complete.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SavePng(string path) => _figure.SavePng(path);

    /// <summary>Saves the figure as SVG, with its texts as text.</summary>
    /// <param name="path">The file to write. Its folder is created if need be; an existing file is replaced, but only once the new one is
    /// complete.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveSvg(string path) => _figure.SaveSvg(path);

    internal void WriteSvg(Stream stream) => _figure.WriteSvg(stream);

    private static (string Name, TMetrics Metrics)[] Checked<TMetrics>(IEnumerable<(string Name, TMetrics Metrics)> models)
        where TMetrics : ClassifierCalibrationMetrics
    {
        ArgumentNullException.ThrowIfNull(models);
        (string Name, TMetrics Metrics)[] all = [.. models];
        if (all.Length == 0 || all.Length > MaximumNumberOfModels)
            throw new ArgumentException(
                $"A figure shows 1 to {MaximumNumberOfModels} models, and {all.Length} are given. Draw several figures.", nameof(models));
        if (all.Any(model => model.Metrics is null))
            throw new ArgumentException("A model has no metrics (null).", nameof(models));
        return all;
    }
}
