namespace Microsoft.ML.SharpnessAware.Tests.Docs;

/// <summary>The code of pages whose programs would take pictures, weights from the network or minutes compiles.</summary>
[TestClass]
public sealed class PagesCompileTests
{
    private static readonly string[] Pages =
    [
        "../README.md", "getting-started.md", "training.md", "onnx.md", "scaling.md",
        "../src/Microsoft.ML.SharpnessAware.Calibration/README.md",
        "../src/Microsoft.ML.SharpnessAware.Imaging/README.md",
        "../src/Microsoft.ML.SharpnessAware.Onnx/README.md",
        "samples/Browser/README.md",
    ];

    public static IEnumerable<(string Page, int Place)> Places =>
        Pages.SelectMany(page => Enumerable.Range(0, PageProgram.Blocks(page).Length).Select(place => (page, place)));

    [TestMethod]
    public void EachPageHasPrograms() => Assert.IsTrue(Pages.All(page => PageProgram.Blocks(page).Length > 0));

    /// <summary>Each block with what a reader has when he comes to it.</summary>
    [TestMethod]
    [DynamicData(nameof(Places))]
    public void TheProgramCompiles(string page, int place)
    {
        string block = PageProgram.Blocks(page)[place];
        if (block.StartsWith('.'))      // a step of somebody's own pipeline
            block = $"var pipeline = mlContext.Transforms.Conversion.MapValueToKey(\"Label\")\n{block};";
        bool hasTensors = block.Contains("SharpnessAwareOptimizer", StringComparison.Ordinal);
        PageProgram.Compile($"page-{place}", block, $"global using static {(hasTensors ? "Tensors" : "Rows")};\n{Prelude}");
    }

    private const string Prelude = """
        global using Microsoft.ML;
        global using Microsoft.ML.SharpnessAware;
        using TorchSharp;

        static class Rows
        {
            public static readonly MLContext mlContext = null!;
            public static readonly SharpnessAwareImageClassificationTrainer.Options options = null!;
            public static readonly ITransformer model = null!;
            public static readonly IDataView images = null!, photographs = null!;
            public static readonly IDataView trainingData = null!, validationData = null!, validation = null!, testData = null!;

            // For a block of types alone; a program's own statements come before it.
            static void Main() { }
        }

        static class Tensors
        {
            public static readonly torch.nn.Module<torch.Tensor, torch.Tensor> network = null!;
            public static readonly torch.Tensor images = null!, labels = null!;
            public static readonly float[] scores = null!;
            public static readonly int[] trueClasses = null!;
        }
        """;
}
