using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class ProcessGroupChecksTests
{
    [TestMethod]
    public void EqualModelsPass() => CollectionAssert.AreEqual(new[] { "", "" }, Errors(mean: _ => 0, temperature: _ => 1.5));

    [TestMethod]
    public void AStatisticThatDiffersIsToldByTheProcessThatHasIt() => AssertTold(Errors(mean: rank => rank, temperature: _ => 1));

    [TestMethod]
    public void ATemperatureThatDiffersIsToldByTheProcessThatHasIt() => AssertTold(Errors(mean: _ => 0, temperature: rank => 1 + rank));

    private static void AssertTold(string[] errors)
    {
        Assert.AreEqual("", errors[0]);
        StringAssert.Contains(errors[1], "of process 1 are no longer those of process 0");
    }

    /// <summary>What each of two processes says of a model whose running mean and temperature depend on its rank.</summary>
    private static string[] Errors(Func<int, double> mean, Func<int, double> temperature) => ThreadProcessGroup.Run(2, group =>
    {
        using BatchNorm1d network = nn.BatchNorm1d(2);
        using (no_grad())
            network.running_mean!.fill_(mean(group.Rank));
        try
        {
            ProcessGroupChecks.SameModel(group, network, temperature(group.Rank));
            return "";
        }
        catch (InvalidOperationException exception)
        {
            return exception.Message;
        }
    });
}
