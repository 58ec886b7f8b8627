namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
[DoNotParallelize] // torch's random state is everybody's
public sealed class TrainedPartTests
{
    private readonly MLContext _mlContext = new(1);
    private readonly IDataView _data;

    public TrainedPartTests()
    {
        CountingNetwork.Register();
        _data = Fitted.View(_mlContext, Shapes.Pixels(30));
    }

    /// <summary>A network of this library draws no random numbers, so that there are none to repeat.</summary>
    [TestMethod]
    [DataRow(CountingNetwork.Name, true)]
    [DataRow(NetworkArchitecture.ResNet8, false)]
    public void TheOptimizerHasTheSettingsOfTheTraining(string network, bool repeatsRandomness)
    {
        using PreparedTraining training = PreparedTraining.Of(_data, seed: 3, network);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.Arch, options.MaxGradientNorm) = (network, 0.3);
        using var part = new TrainedPart(options, training.Classifier, seed: 7, totalSteps: 10);

        SharpnessAwareOptimizer optimizer = part.OptimizerFor(epoch: 1);

        Assert.AreEqual(0.3, optimizer.MaxGradientNorm);
        Assert.AreEqual(7, optimizer.Seed);
        Assert.AreEqual(repeatsRandomness, optimizer.RepeatsRandomness);
    }

    [TestMethod]
    public void ATrainingByShortGradientsGoesElsewhere()
    {
        double[] free = Train(null), clipped = Train(1e-3);
        CollectionAssert.AreEqual(free, Train(1e6));
        CollectionAssert.AreNotEqual(free, clipped);

        double[] Train(double? maxGradientNorm)
        {
            using var model = Fitted.Model(
                _mlContext, _data, options => (options.Epoch, options.MaxGradientNorm) = (1, maxGradientNorm));
            return TestNets.Values(model.Classifier.Network);
        }
    }
}
