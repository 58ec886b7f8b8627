using System.Collections.Concurrent;
using Microsoft.ML.Data;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>What is wrong with rows of a validation set: that it is theirs, and before the first image where that can be seen.</summary>
[TestClass]
public sealed class ValidationSetErrorsTests
{
    private static readonly TemporaryFolder Folder = new();
    private static string _weights = "";

    private readonly MLContext _mlContext = new(seed: 1);
    private readonly ITransformer _toKeys;
    private readonly List<string> _log = [];

    public ValidationSetErrorsTests()
    {
        _toKeys = _mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(_mlContext.Data.LoadFromEnumerable(Shapes.Encoded(3)));
        _mlContext.Log += (_, e) => _log.Add($"{e.Kind}: {e.RawMessage}");
    }

    [ClassInitialize]
    public static void SaveWeights(TestContext context)
    {
        _weights = Folder.File("counting.safetensors");
        CountingNetwork.SaveWeights(_weights);
    }

    [ClassCleanup]
    public static void Clean() => Folder.Dispose();

    /// <summary>Of rows whose number is not known before they are read: a stream, or a part that TrainTestSplit gives.</summary>
    [TestMethod]
    [DataRow(false, "a class of its own", "ValidationSet: Column 'Label', row 2 (counting from 0): the label is missing")]
    [DataRow(true, "a class of its own", "ValidationSet: Column 'Label', row 2 (counting from 0): the label is missing")]
    [DataRow(false, "an empty label", "ValidationSet: Column 'Label', row 2 (counting from 0): the label is missing")]
    [DataRow(false, "no rows", "ValidationSet: The data has no rows")]
    [DataRow(true, "no rows", "ValidationSet: The data has no rows")]
    [DataRow(false, "a bad picture", "ValidationSet: Column 'Image', row 2 (counting from 0)")]
    [DataRow(true, "a bad picture", "ValidationSet: Column 'Image', row 2 (counting from 0)")]
    public void AnErrorInARowSaysThatItIsTheValidationSets(bool fromWeights, string what, string expected)
    {
        InvalidOperationException e = Assert.ThrowsExactly<InvalidOperationException>(
            () => Fit(Shapes.Encoded(30), Stream(Rows(what)), fromWeights));
        StringAssert.StartsWith(e.Message, expected);
        Assert.AreEqual(e.Message["ValidationSet: ".Length..], e.InnerException?.Message);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void PicturesThatAreSkippedAreSaidToBeTheValidationSets(bool fromWeights)
    {
        Fit(Shapes.Encoded(30), Stream(Rows("a bad picture")), fromWeights, options => options.OnBadImage = OnBadImage.Skip).Dispose();
        string warning = _log.Single(message => message.Contains("1 of 9 images cannot be used", StringComparison.Ordinal));
        StringAssert.StartsWith(warning, "Warning: ValidationSet: ");
    }

    [TestMethod]
    [DataRow("a class of its own", "ValidationSet: Column 'Label', row 2 (counting from 0): the label is missing")]
    [DataRow("no rows", "ValidationSet: The data has no rows")]
    public void OfAListTheLabelsAreReadBeforeTheFirstImage(string what, string expected)
    {
        List<LazyRow> training = [.. Shapes.Encoded(30).Select(row => new LazyRow(row))];
        string message = Assert.ThrowsExactly<InvalidOperationException>(
            () => Fit(training, _toKeys.Transform(_mlContext.Data.LoadFromEnumerable(Rows(what))), fromWeights: true)).Message;
        StringAssert.StartsWith(message, expected);
        Assert.AreEqual(0, training.Sum(row => row.Reads));
    }

    [TestMethod]
    [DataRow("a class of its own", "Column 'Label', row 2 (counting from 0): the label is missing")]
    [DataRow("one class", "'Label' has images of one class only, 'down'")]
    public void SoAreThoseOfTheTrainingData(string what, string expected)
    {
        List<LazyRow> training = [.. Rows(what).Select(row => new LazyRow(row))];
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(training, null, fromWeights: true)).Message;
        StringAssert.Contains(message, expected);
        Assert.AreEqual(0, training.Sum(row => row.Reads));
    }

    /// <summary>As docs/training.md has it.</summary>
    [TestMethod]
    public void AListSaysHowManyRowsItHasAndAPartOfASplitDoesNot()
    {
        IDataView list = _toKeys.Transform(_mlContext.Data.LoadFromEnumerable(Shapes.Encoded(9)));
        Assert.AreEqual(9, list.GetRowCount());
        Assert.IsNull(_mlContext.Data.TrainTestSplit(list).TestSet.GetRowCount());
    }

    [TestMethod]
    public void AQueueThatIsEmptiedIsReadOnce()
    {
        var queue = new ConcurrentQueue<EncodedRow>(Shapes.Encoded(9, seed: 1));
        using SharpnessAwareImageClassificationTransformer model = Fit(Shapes.Encoded(30), Stream(Emptied()), fromWeights: true);
        Assert.IsTrue(_log.Any(message => message.Contains("9 more to validate on", StringComparison.Ordinal)));

        IEnumerable<EncodedRow> Emptied()
        {
            while (queue.TryDequeue(out EncodedRow? row))
                yield return row;
        }
    }

    private static List<EncodedRow> Rows(string what)
    {
        List<EncodedRow> rows = Shapes.Encoded(9, seed: 1);
        switch (what)
        {
            case "a class of its own":
                rows[2].Label = "curved";
                break;
            case "an empty label":
                rows[2].Label = "";
                break;
            case "a bad picture":
                rows[2].Image = [1, 2, 3];
                break;
            case "one class":
                rows.ForEach(row => row.Label = "down");
                break;
            default:
                rows.Clear();
                break;
        }

        return rows;
    }

    private IDataView Stream(IEnumerable<EncodedRow> rows)
    {
        return _toKeys.Transform(_mlContext.Data.LoadFromEnumerable(OneByOne()));

        IEnumerable<EncodedRow> OneByOne()
        {
            foreach (EncodedRow row in rows)
                yield return row;
        }
    }

    private SharpnessAwareImageClassificationTransformer Fit<TRow>(
        List<TRow> training, IDataView? validation, bool fromWeights, Action<Options>? change = null)
        where TRow : class
    {
        Options options = Fitted.QuickOptions();
        (options.ValidationSet, options.Epoch) = (validation, 1);
        (options.ImageWidth, options.ImageHeight, options.ImageChannels) = (16, 16, 1);
        if (fromWeights)
            (options.InitialWeights, options.Arch, options.FineTuning) = (_weights, CountingNetwork.Name, FineTuning.HeadOnly);
        change?.Invoke(options);
        return _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)
            .Fit(_toKeys.Transform(_mlContext.Data.LoadFromEnumerable(training)));
    }

    /// <summary>A row whose image is made when it is asked for.</summary>
    private sealed class LazyRow(EncodedRow row)
    {
        public string Label => row.Label;

        public byte[] Image
        {
            get
            {
                Reads++;
                return row.Image;
            }
        }

        [NoColumn]
        public int Reads { get; private set; }
    }
}
