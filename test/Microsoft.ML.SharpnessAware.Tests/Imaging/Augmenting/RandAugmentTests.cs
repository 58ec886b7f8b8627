namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class RandAugmentTests
{
    private const double Tolerance = 1e-6;

    // torchvision's table at level 9 of 0 to 30, image 32 × 20.
    [TestMethod]
    [DataRow(6, 1, 1.27)]
    [DataRow(6, -1, 0.73)]
    [DataRow(7, 1, 1.27)]
    [DataRow(8, -1, 0.73)]
    [DataRow(9, 1, 1.27)]
    [DataRow(10, 1, 2.0)]  // 8 - round(1.2) = 7 bits
    [DataRow(10, -1, 2.0)]
    [DataRow(11, -1, 0.7)] // 178.5 of 255
    public void ColoursAtMagnitudeNine(int index, int sign, double strength)
    {
        ImageSteps steps = Steps(new RandAugment(), index, sign);
        Assert.HasCount(1, steps.Colors);
        Assert.AreEqual(strength, steps.Colors[0].Strength, Tolerance);
    }

    [TestMethod]
    public void OperationsAreThoseOfTheTable()
    {
        ColorOperation[] expected =
        [
            ColorOperations.Brightness, ColorOperations.Saturation, ColorOperations.Contrast, ColorOperations.Sharpness,
                ColorOperations.Posterize,
            ColorOperations.Solarize, ColorOperations.AutoContrast, ColorOperations.Equalize,
        ];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreSame(expected[i], Steps(new RandAugment(), 6 + i, 1).Colors[0].Operation);
        Assert.AreEqual(AffineMap.Identity, Steps(new RandAugment(), 0, 1).Last);
        Assert.AreEqual(AffineMap.ShearX(0.09, 20), Steps(new RandAugment(), 1, 1).Last);
        Assert.AreEqual(AffineMap.ShearY(-0.09, 32), Steps(new RandAugment(), 2, -1).Last);
        Assert.AreEqual(AffineMap.Translation(4, 0), Steps(new RandAugment(), 3, 1).Last);   // 0.3 · 150/331 · 32 = 4.35
        Assert.AreEqual(AffineMap.Translation(0, -2), Steps(new RandAugment(), 4, -1).Last); // 0.3 · 150/331 · 20 = 2.72
        Assert.AreEqual(AffineMap.Rotation(9), Steps(new RandAugment(), 5, 1).Last);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Steps(new RandAugment(), RandAugment.OperationCount, 1));
    }

    [TestMethod]
    public void MagnitudeThirtyIsTheEndOfTheTable()
    {
        var strongest = new RandAugment(1, 30);
        Assert.AreEqual(16, Steps(strongest, 10, 1).Colors[0].Strength, Tolerance); // 4 bits
        Assert.AreEqual(0, Steps(strongest, 11, 1).Colors[0].Strength, Tolerance);
        Assert.AreEqual(1.9, Steps(strongest, 9, 1).Colors[0].Strength, Tolerance);
        Assert.AreEqual(AffineMap.Rotation(-30), Steps(strongest, 5, -1).Last);
        Assert.AreEqual(1, Steps(new RandAugment(1, 0), 11, 1).Colors[0].Strength, Tolerance);
        Assert.AreEqual(1, Steps(new RandAugment(1, 0), 10, 1).Colors[0].Strength, Tolerance);
    }

    [TestMethod]
    public void OperationsAreDrawnEvenlyAndSignsToo()
    {
        var random = new Random(1);
        var colors = new List<(ColorOperation Operation, float Strength)>();
        for (int i = 0; i < 3000; i++)
        {
            var steps = new ImageSteps();
            new RandAugment().Draw(random, 32, 32, steps);
            colors.AddRange(steps.Colors.Select(step => (step.Operation, step.Strength)));
        }

        foreach (var group in colors.GroupBy(color => color.Operation))
            Assert.AreEqual(6000.0 / 14, group.Count(), 75, group.Key.GetType().Name); // 3.7 standard deviations
        Assert.AreEqual(0.5, colors.Where(color => color.Operation == ColorOperations.Brightness)
            .Average(color => color.Strength > 1 ? 1 : 0), 0.1);
    }

    [TestMethod]
    public void GeometryInARowIsOneMapAndColourComesBetween()
    {
        var steps = new ImageSteps();
        var nine = new RandAugment();
        nine.Add(1, 1, 32, 20, steps);
        nine.Add(5, 1, 32, 20, steps);
        nine.Add(6, 1, 32, 20, steps);
        nine.Add(3, 1, 32, 20, steps);
        Assert.AreEqual(AffineMap.ShearX(0.09, 20).Then(AffineMap.Rotation(9)), steps.Colors.Single().Before);
        Assert.AreEqual(AffineMap.Translation(4, 0), steps.Last);
    }

    private static ImageSteps Steps(RandAugment randAugment, int index, int sign)
    {
        var steps = new ImageSteps();
        randAugment.Add(index, sign, width: 32, height: 20, steps);
        return steps;
    }
}
