using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class StepRunnerTests
{
    [TestMethod]
    public void GeometryAndColoursComeInTheOrderOfEachImagesSteps()
    {
        using var scope = NewDisposeScope();
        byte[] pixels = [0, 51, 102, 153];
        Tensor images = tensor(pixels, [1, 1, 1, 4]).expand(4, -1, -1, -1).contiguous();

        // What a translation leaves black, AutoContrast and Solarize (from black on) see or do not see.
        var first = new ImageSteps();
        first.Add(AffineMap.Translation(1, 0));
        first.Add(ColorOperations.Solarize, 0);
        var last = new ImageSteps();
        last.Add(ColorOperations.Solarize, 0);
        last.Add(AffineMap.Translation(1, 0));
        var between = new ImageSteps();
        between.Add(ColorOperations.Solarize, 0);
        between.Add(AffineMap.Translation(-1, 0));
        between.Add(ColorOperations.AutoContrast, 0);
        float[] result = [.. StepRunner.Run(images, [first, last, new ImageSteps(), between], white: 255).contiguous().data<float>()];

        float[] expected = [255, 255, 204, 153, 0, 255, 204, 153, 0, 51, 102, 153, 255, 191.25f, 127.5f, 0];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], result[i], 1e-3f, $"value {i} of {string.Join(" ", result)}");
    }

    [TestMethod]
    public void NothingToDoIsTheBatchItself()
    {
        using Tensor images = zeros([2, 1, 3, 3], dtype: ScalarType.Byte);
        Assert.AreSame(images, StepRunner.Run(images, [new ImageSteps(), new ImageSteps()], white: 255));
    }
}
