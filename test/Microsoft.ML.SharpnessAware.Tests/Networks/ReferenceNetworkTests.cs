using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ReferenceNetworkTests
{
    [TestMethod]
    [DataRow(NetworkArchitecture.ResNet8, 12, true)]
    [DataRow(NetworkArchitecture.ResNet20, 11, true)]
    [DataRow(NetworkArchitecture.ResNet18, 48, true)]
    [DataRow(NetworkArchitecture.ResNet50, 33, false)]
    [DataRow(NetworkArchitecture.WideResNet28x10, 8, false)]
    [DataRow(NetworkArchitecture.ConvNet, 13, true)]
    [DataRow(NetworkArchitecture.VitTiny, 12, true)]
    public void LogitsAndGradientsAreThoseOfThePapersFormulas(string name, int size, bool compareGradients)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(11);
        using nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(name, 5, new(3, size, size));
        network.to(ScalarType.Float64);
        MakeEveryWeightMatter(network);
        Tensor images = randn([3, 3, size, size], dtype: ScalarType.Float64);
        Tensor labels = tensor(new long[] { 2, 0, 4 });
        var reference = new ReferenceNetwork(ModuleWeights.Of(network));
        using IDisposable gradient = set_grad_enabled(compareGradients);

        Tensor actual = network.call(images), expected = reference.Forward(name, images);
        AssertClose(expected, actual, "logits");
        if (!compareGradients)
            return;

        Parameter[] parameters = [.. network.parameters()];
        IList<Tensor> expectedGradients = autograd.grad([nn.functional.cross_entropy(expected, labels)], parameters);
        IList<Tensor> actualGradients = autograd.grad([nn.functional.cross_entropy(actual, labels)], parameters);
        string[] names = [.. network.named_parameters().Select(parameter => parameter.name)];
        for (int i = 0; i < names.Length; i++)
            AssertClose(expectedGradients[i], actualGradients[i], names[i]);
    }

    // Norm parameters start at one and zero and biases at zero, where a mistake would not show.
    private static void MakeEveryWeightMatter(nn.Module network)
    {
        using IDisposable noGradient = no_grad();
        foreach (Parameter parameter in network.parameters().Where(parameter => parameter.dim() == 1))
            parameter.add_(rand_like(parameter), 0.3);
    }

    private static void AssertClose(Tensor expected, Tensor actual, string what)
    {
        double scale = expected.abs().max().item<double>();
        double difference = (expected - actual).abs().max().item<double>();
        Assert.IsLessThanOrEqualTo(1e-9 * (scale + 1), difference, what);
    }
}
