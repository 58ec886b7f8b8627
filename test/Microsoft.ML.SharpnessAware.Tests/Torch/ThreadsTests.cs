using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>More threads than processors, as in a container that may use a part of a machine's.</summary>
[TestClass]
[DoNotParallelize]
public sealed class ThreadsTests
{
    private readonly int _before = get_num_threads();

    [TestInitialize]
    public void TakeTooMany() => set_num_threads(4 * Environment.ProcessorCount);

    [TestCleanup]
    public void Restore() => set_num_threads(_before);

    [TestMethod]
    public void EstimatesCountThoseThatHaveAProcessor()
    {
        double ofTheNetwork = FineTuningRun.SecondsOfOneImage(1e9, CPU), ofTheHead = FittedHead.SecondsOf(1000, 512, 10);
        set_num_threads(Environment.ProcessorCount);
        Assert.AreEqual(FineTuningRun.SecondsOfOneImage(1e9, CPU), ofTheNetwork);
        Assert.AreEqual(FittedHead.SecondsOf(1000, 512, 10), ofTheHead);
    }

    [TestMethod]
    public void ATrainingWarnsOfThem()
    {
        List<string> warnings = [];
        var mlContext = new MLContext(1);
        mlContext.CollectWarnings(warnings);
        Train();
        Assert.HasCount(1, warnings.Where(warning => warning.StartsWith(
            $"{4 * Environment.ProcessorCount} threads are more than the {Environment.ProcessorCount} processor(s)",
            StringComparison.Ordinal)).ToArray(), string.Join('\n', warnings));

        warnings.Clear();
        set_num_threads(Environment.ProcessorCount);
        Train();
        Assert.IsFalse(warnings.Any(warning => warning.Contains("threads", StringComparison.Ordinal)));

        void Train() => Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(20)), options =>
            (options.Arch, options.Epoch) = (NetworkArchitecture.ConvNet, 1)).Dispose();
    }

    [TestMethod]
    public void OnAGpuTheyDoLittleHarm()
    {
        Assert.IsNotNull(Threads.Advice(CPU, group: null));
        Assert.IsNull(Threads.Advice(new Device("cuda:0"), group: null));
    }
}
