using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A report on how well the probabilities of one or several models match what happened: a page of HTML in one file, with headlines in plain
/// words, all metrics with an explanation, figures, classes, and the worst predictions with their images where the data has them. It has no
/// scripts and refers to nothing outside.
/// </summary>
/// <example>
/// <code>
/// new CalibrationReport(mlContext)
///     .Add("before", model.Transform(testData))
///     .Add("after", calibrated.Transform(testData))
///     .SaveHtml("calibration.html");
/// </code>
/// </example>
public sealed class CalibrationReport
{
    private const int MaximumExamples = 1_000;
    private const int MaximumTopK = 5;

    private static readonly string[] BinaryClasses = ["negative", "positive"];

    private readonly MLContext _mlContext;
    private readonly string _title;
    private readonly List<ReportModel> _models = [];

    /// <summary>A report without models.</summary>
    /// <param name="mlContext">The context, whose log gets the warnings.</param>
    /// <param name="title">The heading.</param>
    public CalibrationReport(MLContext mlContext, string title = "Calibration report")
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        ArgumentNullException.ThrowIfNull(title);
        (_mlContext, _title) = (mlContext, title);
    }

    /// <summary>
    /// Evaluates a model's scores and adds it to the report, with its prediction sets and its abstention where the data has them. Labels,
    /// scores and decisions are read in one pass; where there are images or paths, a second pass over these columns alone reads those of
    /// the rows that are shown.
    /// </summary>
    /// <param name="name">The name to show, not that of another model of the report.</param>
    /// <param name="scored">Scored data, as <c>model.Transform(testData)</c> gives it.</param>
    /// <param name="labelColumnName">The true class: a key of the classes, matched by name with those of the scores.</param>
    /// <param name="scoreColumnName">The class probabilities: a vector of known size of <see cref="float"/>.</param>
    /// <param name="imageColumnName">
    /// The images: encoded files (variable vector of <see cref="byte"/>), <c>MLImage</c>, or pixels (vector of <see
    /// cref="byte"/> or <see cref="float"/> of known size). By default the first such column, in this order of kinds, pixels only with
    /// three dimensions; empty for none. Float pixels in [0, 1] and in [0, 255] are shown as they are, others stretched from the smallest
    /// to the largest of the image.
    /// </param>
    /// <param name="imagePathColumnName">The path of each image, a text; by default <c>ImagePath</c>, else the only text whose name ends
    /// with Path, FileName or ImageSource; empty for none.</param>
    /// <param name="numberOfBins">The number of confidence bins; 15 is the usual choice (Guo et al. 2017).</param>
    /// <param name="numberOfExamples">How many of the most confident wrong predictions, of the least confident right ones, and of the
    /// largest prediction sets, are shown at most; from 0 to 1,000.</param>
    /// <param name="imageWidth">The width of the images in pixels; only needed where pixels come as vectors of one dimension.</param>
    /// <param name="imageHeight">Their height.</param>
    /// <param name="scoreKind">What the scores are: class probabilities, or logits of which softmax makes them.</param>
    /// <param name="groupColumnName">A column by whose values the rows are also measured in groups: a region, a camera.</param>
    /// <param name="clusterColumnName">A column whose equal values belong together; intervals, and differences between models, then go by
    /// whole clusters.</param>
    /// <param name="predictionSetColumnName">Prediction sets; by default <c>PredictionSet</c> if it holds such, empty for none.</param>
    /// <param name="acceptedColumnName">Whether rows are accepted; by default <c>Accepted</c> if that is Boolean, empty for none.</param>
    /// <returns>This report.</returns>
    /// <remarks>An image that cannot be read does not fail the report: it has the reason in its place, and the log a warning. Rows without
    /// a label or with scores that are not finite are left out, and counted.</remarks>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, or a number is out of range.</exception>
    /// <exception cref="InvalidOperationException">There is no row to evaluate, scores are not probabilities, or of another number than
    /// the column's type says (the message names the row), or the report has binary models.</exception>
    public CalibrationReport Add(string name, IDataView scored, string labelColumnName = "Label", string scoreColumnName = "Score",
        string? imageColumnName = null, string? imagePathColumnName = null, int numberOfBins = 15, int numberOfExamples = 12,
        int? imageWidth = null, int? imageHeight = null, ScoreKind scoreKind = ScoreKind.Probabilities, string? groupColumnName = null,
        string? clusterColumnName = null, string? predictionSetColumnName = null, string? acceptedColumnName = null)
    {
        Check(name, scored, numberOfExamples, isBinary: false);
        using IChannel channel = ((IChannelProvider)_mlContext).Start(nameof(CalibrationReport));
        ExampleImages images = new(scored.Schema, imageColumnName, imagePathColumnName, imageWidth, imageHeight, channel);

        ExampleCollector examples = new(numberOfExamples);
        var decisions = new ReportDecisions(predictionSetColumnName, acceptedColumnName, numberOfExamples);
        MulticlassCalibrationMetrics metrics = CalibrationEvaluator.Evaluate(
            _mlContext, scored, labelColumnName, scoreColumnName, numberOfBins, TopKOf(scored, scoreColumnName), scoreKind,
            groupColumnName, clusterColumnName, (position, id, label, probabilities, sides, cluster) =>
            {
                examples.Add(position, id, label, probabilities);
                decisions.Add(label, probabilities, sides, cluster);
            }, scores => decisions.Bind(scored.Schema, scores));

        Pictures pictures = Pictures.Of(
            scored, images, [.. examples.All, .. decisions.Largest.Select(set => (set.Row, set.Id))], channel);
        string[] classes = [.. metrics.PerClass.Select(one => one.ClassName)];
        _models.Add(new(name, metrics, pictures.Examples(examples.ConfidentlyWrong, classes),
            pictures.Examples(examples.HesitantlyRight, classes))
        {
            Sets = decisions.SetMetrics(metrics.SkippedRows),
            LargestSets = [.. decisions.Largest.Select(set => pictures.Example(set, decisions.SetClasses))],
            Abstention = decisions.AbstentionMetrics(metrics.SkippedRows),
        });
        return this;
    }

    /// <summary>Adds a model whose metrics are known already, without examples.</summary>
    /// <param name="name">The name to show, not that of another model of the report.</param>
    /// <param name="metrics">The metrics.</param>
    /// <returns>This report.</returns>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    /// <exception cref="InvalidOperationException">The report has binary models.</exception>
    public CalibrationReport Add(string name, MulticlassCalibrationMetrics metrics) => AddKnown(name, metrics);

    /// <inheritdoc cref="Add(string, MulticlassCalibrationMetrics)"/>
    /// <exception cref="InvalidOperationException">The report has models of several classes.</exception>
    public CalibrationReport Add(string name, BinaryCalibrationMetrics metrics) => AddKnown(name, metrics);

    /// <summary>
    /// Evaluates the probability of a binary model and adds it to the report, which is then one of binary models. Labels and
    /// probabilities are read in one pass, pictures of the rows that are shown in another.
    /// </summary>
    /// <param name="name">The name to show, not that of another model of the report.</param>
    /// <param name="scored">Scored data, as <c>model.Transform(testData)</c> gives it.</param>
    /// <param name="labelColumnName">Whether a row is positive: a <see cref="bool"/>.</param>
    /// <param name="probabilityColumnName">The probability of the positive class: a <see cref="float"/> in [0, 1].</param>
    /// <param name="imageColumnName">The images; by default the first column that holds such, empty for none.</param>
    /// <param name="imagePathColumnName">The path of each image, a text; by default <c>ImagePath</c>, else the only text whose name ends
    /// with Path, FileName or ImageSource; empty for none.</param>
    /// <param name="numberOfBins">The number of bins of the probability.</param>
    /// <param name="numberOfExamples">How many of the most confident wrong predictions, and of the least confident right ones, are shown at
    /// most; from 0 to 1,000. A probability of ½ or more predicts positive.</param>
    /// <param name="imageWidth">The width of the images in pixels; only needed where pixels come as vectors of one dimension.</param>
    /// <param name="imageHeight">Their height.</param>
    /// <param name="groupColumnName">A column by whose values the rows are also measured in groups: a region, a hospital.</param>
    /// <param name="clusterColumnName">A column whose equal values belong together; intervals, and differences between models, then go by
    /// whole clusters.</param>
    /// <returns>This report.</returns>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, or a number is out of range.</exception>
    /// <exception cref="InvalidOperationException">There is no row to evaluate, a value is not a probability (the message names the row),
    /// or the report has models of several classes.</exception>
    public CalibrationReport AddBinary(string name, IDataView scored, string labelColumnName = "Label",
        string probabilityColumnName = "Probability", string? imageColumnName = null, string? imagePathColumnName = null,
        int numberOfBins = 15, int numberOfExamples = 12, int? imageWidth = null, int? imageHeight = null,
        string? groupColumnName = null, string? clusterColumnName = null)
    {
        Check(name, scored, numberOfExamples, isBinary: true);
        using IChannel channel = ((IChannelProvider)_mlContext).Start(nameof(CalibrationReport));
        ExampleImages images = new(scored.Schema, imageColumnName, imagePathColumnName, imageWidth, imageHeight, channel);
        ExampleCollector examples = new(numberOfExamples);
        BinaryCalibrationMetrics metrics = BinaryCalibrationEvaluator.Evaluate(_mlContext, scored, labelColumnName, probabilityColumnName,
            numberOfBins, groupColumnName, clusterColumnName,
            (position, id, label, probabilities, _, _) => examples.Add(position, id, label, probabilities));
        Pictures pictures = Pictures.Of(scored, images, examples.All, channel);
        _models.Add(new(name, metrics, pictures.Examples(examples.ConfidentlyWrong, BinaryClasses),
            pictures.Examples(examples.HesitantlyRight, BinaryClasses)));
        return this;
    }

    /// <summary>Saves the report as one file of HTML.</summary>
    /// <param name="path">The file to write. Its folder is created if need be; an existing file is replaced, but only once the new one is
    /// complete.</param>
    /// <exception cref="InvalidOperationException">No model was added.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveHtml(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (_models.Count == 0)
            throw new InvalidOperationException("The report has no model. Add one first.");
        byte[] page = Encoding.UTF8.GetBytes(new ReportPage(_title, _models).Write());
        AtomicFile.Write(path, stream => stream.Write(page));
    }

    private CalibrationReport AddKnown(string name, ClassifierCalibrationMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        Check(name, metrics is BinaryCalibrationMetrics);
        _models.Add(new(name, metrics, [], []));
        return this;
    }

    private void Check(string name, IDataView scored, int numberOfExamples, bool isBinary)
    {
        Check(name, isBinary);
        ArgumentNullException.ThrowIfNull(scored);
        if (numberOfExamples is < 0 or > MaximumExamples)
            throw new ArgumentOutOfRangeException(nameof(numberOfExamples), numberOfExamples,
                $"The number of examples must lie in [0, {MaximumExamples}].");
    }

    private void Check(string name, bool isBinary)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (_models.Any(model => model.Name == name))
            throw new ArgumentException($"The report already has a model '{name}'. Give this one another name.", nameof(name));
        if (_models.Any(model => model.Metrics is BinaryCalibrationMetrics != isBinary))
            throw new InvalidOperationException($"'{name}' is a {(isBinary ? "binary model" : "model of several classes")}, but the report "
                + $"has {(isBinary ? "models of several classes" : "binary models")}: their numbers do not compare. Make two reports.");
    }

    // Beyond the number of classes there is nothing to count; a wrong column is EvaluateCalibration's to report.
    private static int TopKOf(IDataView scored, string scoreColumnName)
        => scored.Schema.GetColumnOrNull(scoreColumnName)?.Type is Data.VectorDataViewType { IsKnownSize: true } vector
            ? Math.Min(MaximumTopK, vector.Size - 1) : 0;
}
