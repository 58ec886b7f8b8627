using System.Globalization;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class NetworkSizeTests
{
    /// <summary>A model file is refused on the strength of this number, so it must never be too large.</summary>
    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8, 1, 7, 9)]
    [DataRow(NetworkArchitecture.ResNet20, 2, 32, 32)]
    [DataRow(NetworkArchitecture.ResNet56, 4, 32, 32)]
    [DataRow(NetworkArchitecture.ResNet18, 1, 64, 64)]
    [DataRow(NetworkArchitecture.MLNetResNet18, 1, 64, 64)]
    [DataRow(NetworkArchitecture.ResNet34, 4, 64, 64)]
    [DataRow(NetworkArchitecture.ResNet50, 1, 64, 64)]
    [DataRow(NetworkArchitecture.WideResNet28x10, 1, 32, 32)]
    [DataRow(NetworkArchitecture.VitTiny, 1, 28, 32)]
    [DataRow(NetworkArchitecture.VitTiny, 4, 112, 224)]
    [DataRow(NetworkArchitecture.VitSmall, 3, 160, 128)]
    [DataRow(NetworkArchitecture.ConvNet, 5, 28, 28)]
    public void ParametersAreCountedWithoutMakingTheNetwork(string name, int channels, int height, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        var input = new ImageShape(channels, height, width);
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 37, input);
        Assert.AreEqual(network.parameters().Sum(parameter => parameter.numel()), NetworkArchitecture.LeastParameters(name, 37, input));
    }

    [TestMethod]
    public void TheNumbersInTheDocumentationAreRight()
    {
        string source = File.ReadAllText(Path.Combine(
            Repository.Root, "src", "Microsoft.ML.SharpnessAware", "Networks", $"{nameof(NetworkArchitecture)}.cs"));
        (string Text, string Name)[] networks = [.. Regex.Matches(source, """((?:    ///.*\n)+)    public const string \w+ = "(\w+)";""")
            .Select(match => (match.Groups[1].Value, match.Groups[2].Value))];
        foreach ((string text, string name) in networks)
        {
            Match number = Regex.Match(text, @"([\d,]+)\s+parameters");
            if (!number.Success)
                continue;
            int classes = text.Contains("1,000 classes", StringComparison.Ordinal) ? 1000 : 10;
            int side = text.Contains("224", StringComparison.Ordinal) ? 224 : 32;
            Assert.AreEqual(
                long.Parse(number.Groups[1].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture),
                NetworkArchitecture.LeastParameters(name, classes, new ImageShape(3, side, side)), name);
        }
        Assert.IsGreaterThanOrEqualTo(10, networks.Length);
    }

    [TestMethod]
    public void OfARegisteredNetworkOnlyManyClassesAreKnownToTakeParameters()
    {
        var input = new ImageShape(3, 32, 32);
        Assert.AreEqual(0, NetworkArchitecture.LeastParameters("not built in", 10_000, input));
        Assert.AreEqual(10_001, NetworkArchitecture.LeastParameters("not built in", 10_001, input));
    }
}
