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
    /// Evaluates a model's scores and adds it to the report. Labels and scores are read in one pass; where there are images or paths, a
    /// second pass over these columns alone reads those of the rows that are shown.
    /// </summary>
    /// <param name="name">The name to show, not that of another model of the report.</param>
    /// <param name="scored">Scored data, as <c>model.Transform(testData)</c> gives it.</param>
    /// <param name="labelColumnName">The true class: a key with as many values as there are scores.</param>
    /// <param name="scoreColumnName">The class probabilities: a vector of known size of <see cref="float"/>.</param>
    /// <param name="imageColumnName">
    /// The images: encoded files (variable vector of <see cref="byte"/>), <c>MLImage</c>, or pixels (vector of <see
    /// cref="byte"/> or <see cref="float"/> of known size). By default the first such column, in this order of kinds, pixels only with
    /// three dimensions; empty for none. Float pixels in [0, 1] and in [0, 255] are shown as they are, others stretched from the smallest
    /// to the largest of the image.
    /// </param>
    /// <param name="imagePathColumnName">The path of each image, a text; by default <c>ImagePath</c> if there is one, empty for
    /// none.</param>
    /// <param name="numberOfBins">The number of confidence bins; 15 is the usual choice (Guo et al. 2017).</param>
    /// <param name="numberOfExamples">How many of the most confident wrong predictions, and of the least confident right ones, are shown at
    /// most; from 0 to 1,000.</param>
    /// <param name="imageWidth">The width of the images in pixels; only needed where pixels come as vectors of one dimension.</param>
    /// <param name="imageHeight">Their height.</param>
    /// <param name="scoreKind">What the scores are: class probabilities, or logits of which softmax makes them.</param>
    /// <returns>This report.</returns>
    /// <remarks>An image that cannot be read does not fail the report: it has the reason in its place, and the log a warning. Rows without
    /// a label or with scores that are not finite are left out, and counted.</remarks>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, or a number is out of range.</exception>
    /// <exception cref="InvalidOperationException">There is no row to evaluate, or scores are not probabilities; the message names the
    /// row.</exception>
    public CalibrationReport Add(string name, IDataView scored, string labelColumnName = "Label", string scoreColumnName = "Score",
        string? imageColumnName = null, string? imagePathColumnName = null, int numberOfBins = 15, int numberOfExamples = 12,
        int? imageWidth = null, int? imageHeight = null, ScoreKind scoreKind = ScoreKind.Probabilities)
    {
        CheckName(name);
        ArgumentNullException.ThrowIfNull(scored);
        if (numberOfExamples is < 0 or > MaximumExamples)
            throw new ArgumentOutOfRangeException(nameof(numberOfExamples), numberOfExamples,
                $"The number of examples must lie in [0, {MaximumExamples}].");
        using IChannel channel = ((IChannelProvider)_mlContext).Start(nameof(CalibrationReport));
        ExampleImages images = new(scored.Schema, imageColumnName, imagePathColumnName, imageWidth, imageHeight, channel);

        ExampleCollector examples = new(numberOfExamples);
        MulticlassCalibrationMetrics metrics = CalibrationEvaluator.Evaluate(
            _mlContext, scored, labelColumnName, scoreColumnName, numberOfBins, TopKOf(scored, scoreColumnName),
            scoreKind, examples.Add);

        IReadOnlyList<ReportRow> wrong = examples.ConfidentlyWrong;
        IReadOnlyList<ReportRow> right = examples.HesitantlyRight;
        Dictionary<long, (Thumbnail? Image, string? Path)> pictures = images.Read(scored, [.. wrong, .. right], channel);
        _models.Add(new(name, metrics, [.. wrong.Select(Example)], [.. right.Select(Example)]));
        return this;

        ReportExample Example(ReportRow row)
        {
            (Thumbnail? image, string? path) = pictures.GetValueOrDefault(row.Row);
            return new(row, metrics.PerClass[row.Label].ClassName, metrics.PerClass[row.Predicted].ClassName, path, image);
        }
    }

    /// <summary>Adds a model whose metrics are known already, without examples.</summary>
    /// <param name="name">The name to show, not that of another model of the report.</param>
    /// <param name="metrics">The metrics.</param>
    /// <returns>This report.</returns>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public CalibrationReport Add(string name, MulticlassCalibrationMetrics metrics)
    {
        CheckName(name);
        ArgumentNullException.ThrowIfNull(metrics);
        _models.Add(new(name, metrics, [], []));
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

    private void CheckName(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (_models.Any(model => model.Name == name))
            throw new ArgumentException($"The report already has a model '{name}'. Give this one another name.", nameof(name));
    }

    // Beyond the number of classes there is nothing to count; a wrong column is EvaluateCalibration's to report.
    private static int TopKOf(IDataView scored, string scoreColumnName)
        => scored.Schema.GetColumnOrNull(scoreColumnName)?.Type is Data.VectorDataViewType { IsKnownSize: true } vector
            ? Math.Min(MaximumTopK, vector.Size - 1) : 0;
}
