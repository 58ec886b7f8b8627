using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A temperature never changes a prediction, however close two logits are.</summary>
[TestClass]
public sealed class TemperatureTieTests
{
    private const string Name = "tied-logits";

    [TestMethod]
    public void LogitsThatATemperatureMakesEqualKeepTheirClass()
    {
        NetworkArchitecture.Register(Name, classes => new Tied(classes));
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(12));
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, data, options =>
        {
            options.Arch = Name;
            options.Epoch = 1;
            options.BaseOptimizer = new BaseOptimizer.Sgd(LearningRate: 1e-30, Momentum: 0, WeightDecay: 0);
            options.Calibration = ProbabilityCalibration.None;
        });
        foreach (double temperature in new[] { 1, 3, 100, 0.01 })
        {
            using SharpnessAwareImageClassificationTransformer scaled = model.WithTemperature(temperature);
            float[] row = Fitted.Scores(mlContext, scaled.Transform(data))[0];
            Assert.AreEqual(1, Array.IndexOf(row, row.Max()), $"T = {temperature}");
            Assert.IsGreaterThan(row[0], row[1]);
        }

        foreach (double temperature in new[] { 1e-40, 0.009, 101, 0, double.NaN })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => model.WithTemperature(temperature)).Message,
                "from 0.01 to 100");
    }

    /// <summary>Logits (0, 10⁻⁶, −1), whatever the image.</summary>
    private sealed class Tied : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter _bias = new(tensor(new[] { 0, 1e-6f, -1 }));

        public Tied(int classes)
            : base(nameof(Tied))
        {
            Assert.AreEqual(3, classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => zeros([input.shape[0], 3], device: input.device) + _bias;
    }
}
