using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class OnnxFuzzTests
{
    private const int Width = 1;

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void GraphsAreReadOrRefused()
    {
        byte[][] valid =
        [
            new OnnxFile { Inputs = ["x", "w"] }.Node("Conv", ["x", "w"], "y", ("strides", new long[] { 2, -1 }), ("alpha", 0.5f))
                .Constant("w", [2, 3], new float[6]).Constant("b", [1], [7], raw: true).ToBytes(),
            new OnnxFile().Node("Relu", ["input"], "output").ToBytes(),
        ];
        var fuzzing = new ReaderFuzzer(TestContext, "ONNX graph") { Documented = IsDocumented };
        fuzzing.Run(valid, file =>
        {
            using DisposeScope scope = NewDisposeScope();
            OnnxGraph graph = OnnxGraph.Read(file);
            foreach (OnnxTensor constant in graph.Constants.Values.Take(100))
                constant.ToTensor([.. constant.Shape]);
        });
    }

    /// <summary>The whole way from a file to a network's tensors, with a network of one channel.</summary>
    [TestMethod]
    public void NetworksAreReadOrRefused()
    {
        var fuzzing = new ReaderFuzzer(TestContext, "ONNX network") { Documented = IsDocumented };
        byte[][] valid = [OnnxFile.SmallResNet(Width).ToBytes()];
        fuzzing.Run(valid, random => random.Next(3) > 0 ? ReaderFuzzer.Mutant(random, valid) : Weights(random), file =>
        {
            using DisposeScope scope = NewDisposeScope();
            OnnxResNet.Read(OnnxGraph.Read(file), Width);
        });
    }

    /// <summary>Changes of an operator or a constant that leave the message around it whole.</summary>
    private static byte[] Weights(Random random)
    {
        OnnxFile file = OnnxFile.SmallResNet(Width);
        List<byte[]> parts = random.Next(2) == 0 ? file.Nodes : file.Constants;
        int index = random.Next(parts.Count);
        parts[index] = Mutator.Mutate(random, parts[index], parts[random.Next(parts.Count)]);
        return file.ToBytes();
    }

    private static bool IsDocumented(Exception exception) => exception.GetType() == typeof(InvalidDataException);
}
