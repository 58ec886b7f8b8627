namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A file whose graph does not fit its metadata is refused when it is loaded.</summary>
[TestClass]
public sealed class OnnxContractTests
{
    private const string Score = "Score", Name = "Name";

    private static readonly string[] Four = [.. Shapes.Names, "fourth"];

    private static readonly MLContext MLContext = new(1);

    [TestMethod]
    public void AFileThatFitsItsMetadataIsLoaded()
    {
        using OnnxClassifier classifier = Load(Written(Metadata(), [Score, Name]));
        Assert.IsTrue(classifier.TakesBytes);
        Assert.AreEqual((Score, Name), (classifier.ScoreName, classifier.PredictedLabelName));
    }

    [TestMethod]
    [DataRow("no names", "needs one input, and scores and names as outputs")]
    [DataRow("names first", "scores (float32) and names")]
    [DataRow("wider", "its metadata tells pixels [-1, 1, 2, 3]")]
    [DataRow("channels last", "its metadata tells pixels [-1, 2, 2, 1]")]
    [DataRow("floats", "its input takes bytes, and its metadata says that it was trained on float pixels")]
    [DataRow("four names", "its metadata names 4 classes")]
    public void AFileThatDoesNotFitItsMetadataIsRefused(string what, string words)
    {
        byte[] file = what switch
        {
            "no names" => Written(Metadata(), [Score]),
            "names first" => Written(Metadata(), [Name, Score]),
            "wider" => Written(Metadata() with { Shape = new(1, 2, 3) }, [Score, Name]),
            "channels last" => Written(Metadata() with { ChannelsLast = true }, [Score, Name]),
            "floats" => Written(Metadata() with { PixelType = PixelType.Float32 }, [Score, Name]),
            _ => Written(Metadata() with { ClassNames = Four, LabelValues = null }, [Score, Name]),
        };

        string message = Assert.ThrowsExactly<InvalidDataException>(() => Load(file)).Message;

        StringAssert.Contains(message, words);
        StringAssert.Contains(message, "The model cannot be used");
    }

    /// <summary>The number of scores is open in the file.</summary>
    [TestMethod]
    public void ScoresOfAnotherNumberAreNotTakenForOthers()
    {
        byte[] file = Written(Metadata() with { ClassNames = Four, LabelValues = null }, [Score, Name], isOpen: true);
        using OnnxClassifier classifier = Load(file);

        string message = Assert.ThrowsExactly<InvalidOperationException>(() => classifier.Score(new byte[4].AsMemory(), 1, new float[4]))
            .Message;

        StringAssert.Contains(message, "3 scores for 1 images of 4 classes");
    }

    private static OnnxClassifier Load(byte[] file) => OnnxClassifier.Load(MLContext, file, "The model", configure: null);

    private static OnnxMetadata Metadata() => new()
    {
        Architecture = "own",
        Shape = new ImageShape(1, 2, 2),
        PixelType = PixelType.Byte,
        ChannelsLast = false,
        Resizes = false,
        Resizing = ResizingKind.Fill,
        Temperature = 1,
        ClassNames = Shapes.Names,
        LabelValues = null,
    };

    private static byte[] Written(OnnxMetadata metadata, string[] outputs, bool isOpen = false)
    {
        var file = new OnnxFileWriter(17);
        file.AddInput("Image", OnnxType.UInt8, "rows", 1, 2, 2);
        string flat = file.Node("Flatten", [file.Cast("Image", OnnxType.Float32)]);
        string score = file.Node("MatMul", [flat, file.Constant(new float[12], 4, 3)]);
        string place = file.Node("ArgMax", [score], ("axis", 1L), ("keepdims", 0L));
        string name = file.Node("Gather", [file.Texts(Shapes.Names), place]);
        if (isOpen)
        {
            // All three of them, which ONNX Runtime only knows when it has seen an image.
            string rows = file.Node("Gather", [file.Node("Shape", ["Image"]), file.Vector(0, 0, 0)], ("axis", 0L));
            score = file.Node("Compress", [score, file.Node("Cast", [rows], ("to", (long)OnnxType.Boolean))], ("axis", 1L));
        }

        foreach (string output in outputs)
        {
            if (output == Score)
                file.AddOutput(score, Score, OnnxType.Float32, "rows", isOpen ? "classes" : 3);
            else
                file.AddOutput(name, Name, OnnxType.Text, "rows");
        }

        foreach ((string key, string value) in metadata.Write(MLContext))
            file.AddMetadata(key, value);
        using var stream = new MemoryStream();
        file.Save(stream, "1");
        return stream.ToArray();
    }
}
