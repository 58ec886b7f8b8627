using CsCheck;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class TemperatureScalingTests
{
    [TestMethod]
    [DataRow("overconfident")]
    [DataRow("underconfident")]
    public void ReferenceTemperatureIsFound(string name)
    {
        CalibrationReference reference = CalibrationReference.Load(name);
        double temperature = LeastLogLossTemperature.Fit(Logarithms(reference.Scores), reference.Labels, reference.NumberOfClasses);
        Assert.AreEqual(reference["temperature"], temperature, 1e-5);

        float[] scaled = Apply(reference.Scores, reference.NumberOfClasses, temperature);
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(scaled, reference.Labels, reference.NumberOfClasses);
        Assert.AreEqual(reference["nll_after_temperature"], metrics.LogLoss, 1e-7);
        double ece = metrics.ExpectedCalibrationError;
        Assert.AreEqual(reference["ece15_after_temperature"], ece, 1e-6);
        Assert.AreEqual(reference["accuracy"], metrics.Accuracy);
    }

    [TestMethod]
    public void LogitsOfAnyOffsetGiveTheTemperatureOfTheirProbabilities()
    {
        CalibrationReference reference = CalibrationReference.Load("overconfident");
        float[] logarithms = Logarithms(reference.Scores);
        float[] logits = [.. logarithms.Select((value, index) => value + index / reference.NumberOfClasses % 7 - 3)];
        Assert.AreEqual(LeastLogLossTemperature.Fit(logarithms, reference.Labels, reference.NumberOfClasses),
            LeastLogLossTemperature.Fit(logits, reference.Labels, reference.NumberOfClasses), 1e-5);
    }

    [TestMethod]
    public void FittedTemperatureIsTheMinimumAndNeverWorseThanOne() => (
        from classes in Gen.Int[2, 5]
        from rows in Gen.Int[1, 40]
        from logits in Gen.Float[-8, 8].Array[classes * rows]
        from labels in Gen.Int[0, classes - 1].Array[rows]
        from other in Gen.Double[-2, 2]
        select (classes, logits, labels, other: Math.Pow(10, other))).Sample(test =>
    {
        double temperature = LeastLogLossTemperature.Fit(test.logits, test.labels, test.classes);
        Assert.IsTrue(temperature is >= TemperatureScaling.MinimumTemperature and <= TemperatureScaling.MaximumTemperature);
        double fitted = LogLoss(test.logits, test.labels, test.classes, temperature);
        Assert.IsTrue(fitted <= LogLoss(test.logits, test.labels, test.classes, 1) + 1e-12);
        Assert.IsTrue(fitted <= LogLoss(test.logits, test.labels, test.classes, test.other) + 1e-9);
        foreach (double step in new[] { 0.999, 1.001 })
        {
            double neighbour = Math.Clamp(temperature * step, TemperatureScaling.MinimumTemperature, TemperatureScaling.MaximumTemperature);
            Assert.IsTrue(fitted <= LogLoss(test.logits, test.labels, test.classes, neighbour) + 1e-12);
        }
    });

    [TestMethod]
    public void SeparableRowsStopAtTheLowestTemperature()
        => Assert.AreEqual(TemperatureScaling.MinimumTemperature, LeastLogLossTemperature.Fit([2, 0, 0, 1], [0, 1], 2), 1e-12);

    [TestMethod]
    public void RowsThatAreAlwaysWrongStopAtTheHighestTemperature()
        => Assert.AreEqual(TemperatureScaling.MaximumTemperature, LeastLogLossTemperature.Fit([2, 0, 0, 1], [1, 0], 2), 1e-12);

    [TestMethod]
    public void RowsWithoutPreferenceKeepTheTemperatureAtOne()
        => Assert.AreEqual(1.0, LeastLogLossTemperature.Fit([3, 3, 3, -1, -1, -1], [0, 2], 3));

    /// <summary>Of n rows with logits (a, 0), r are right: the share of right ones is 1 / (1 + e^(−a/T)).</summary>
    [TestMethod]
    public void TenRowsByHand()
    {
        float[] logits = [.. Enumerable.Repeat(new[] { 4f, 0f }, 10).SelectMany(row => row)];
        int[] labels = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        Assert.AreEqual(4 / Math.Log(8 / 2.0), LeastLogLossTemperature.Fit(logits, labels, 2), 1e-9);
    }

    [TestMethod]
    public void OneClassInTheLabelsHasAFiniteMinimum()
    {
        float[] logits = [4, 0, 1, 0, -1, 0];
        double temperature = LeastLogLossTemperature.Fit(logits, [0, 0, 0], 2);
        Assert.IsTrue(double.IsFinite(temperature));
        Assert.IsTrue(LogLoss(logits, [0, 0, 0], 2, temperature) < LogLoss(logits, [0, 0, 0], 2, 1));
    }

    [TestMethod]
    public void ProbabilitiesOfZeroAndOne()
    {
        // Nine rows are certain and right, one is certain and wrong.
        float[] probabilities = [.. Enumerable.Repeat(new[] { 1f, 0f }, 10).SelectMany(row => row)];
        int[] labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        double temperature = LeastLogLossTemperature.Fit(Logarithms(probabilities), labels, 2);
        float[] scaled = Apply(probabilities, 2, temperature);
        Assert.AreEqual(0.9f, scaled[0], 1e-5f);
        Assert.IsLessThan(CalibrationMetrics.Compute(probabilities, labels, 2).LogLoss,
            CalibrationMetrics.Compute(scaled, labels, 2).LogLoss);
    }

    /// <summary>A row of certainty that is wrong weighs ln 2²³ and no more, whether the model says 0, 10⁻³⁰ or gives a logit of
    /// −10⁴.</summary>
    [TestMethod]
    public void AHardZeroWeighsWhatFloat32CanResolve()
    {
        double[] temperatures = [.. new[] { 0, 1e-30f, 1e-10f }.Select(zero => Fitted(.9f, 45, 5, [1, zero]))];
        foreach (double temperature in temperatures)
            Assert.AreEqual(1.953, temperature, 0.001);      // as scikit-learn has it
        float[] logits = [.. Enumerable.Repeat(new[] { MathF.Log(9), 0 }, 50).SelectMany(row => row), 1e4f, -1e4f];
        Assert.AreEqual(temperatures[0], LeastLogLossTemperature.Fit(logits, [.. Enumerable.Repeat(0, 45), .. Enumerable.Repeat(1, 6)], 2),
            1e-5);

        Assert.AreEqual(.712, Fitted(.8f, 99, 1, [1, 0]), 0.001);
        Assert.AreEqual(1.034, Fitted(.6f, 99, 1, [1, 0]), 0.001);

        static double Fitted(float right, int ofThemRight, int wrong, float[] last) => LeastLogLossTemperature.Fit(
            Logarithms([.. Enumerable.Repeat(new[] { right, 1 - right }, ofThemRight + wrong).SelectMany(row => row), .. last]),
            [.. Enumerable.Repeat(0, ofThemRight), .. Enumerable.Repeat(1, wrong + 1)], 2);
    }

    [TestMethod]
    public void OneThousandClasses()
    {
        const int Classes = 1000, Rows = 20;
        Random random = new(3);
        float[] logits = [.. Enumerable.Range(0, Classes * Rows).Select(_ => 10 * random.NextSingle())];
        int[] labels = [.. Enumerable.Range(0, Rows).Select(_ => random.Next(Classes))];
        double temperature = LeastLogLossTemperature.Fit(logits, labels, Classes);
        Assert.IsTrue(LogLoss(logits, labels, Classes, temperature) <= LogLoss(logits, labels, Classes, 1));
        Assert.AreEqual(temperature, LeastLogLossTemperature.Fit(logits, labels, Classes));
    }

    [TestMethod]
    public void ApplyKeepsThePredictedClassAndTheSum() => (
        from classes in Gen.Int[2, 8]
        from weights in Gen.OneOf(Gen.Float[0, 1], Gen.Float[0.9999999f, 1]).Array[classes].Where(row => row.Sum() > 0)
        from temperature in Gen.Double[-2, 2]
        select (row: weights.Select(weight => weight / weights.Sum()).ToArray(), temperature: Math.Pow(10, temperature))).Sample(test =>
    {
        float[] scaled = new float[test.row.Length];
        TemperatureScaling.Apply(test.row, test.temperature, scaled);
        Assert.AreEqual(Array.IndexOf(test.row, test.row.Max()), Array.IndexOf(scaled, scaled.Max()));
        Assert.AreEqual(1, scaled.Sum(), 1e-5);
        Assert.IsNull(ProbabilityRow.Problem(scaled));

        TemperatureScaling.Apply(test.row, test.temperature, test.row);
        CollectionAssert.AreEqual(scaled, test.row);
    });

    [TestMethod]
    public void ApplyKeepsAPredictionThatFloat32CannotResolve()
    {
        float[] row = [0.49999997f, 0.50000006f];
        TemperatureScaling.Apply(row, 100, row);
        Assert.IsGreaterThan(row[0], row[1]);
    }

    [TestMethod]
    public void LogitsThatFloat32CannotResolveKeepTheirPrediction()
    {
        foreach (double temperature in new[] { 0.01, 1, 100 })
        {
            float[] row = [0, 1e-6f];
            Softmax.Apply(row, temperature, row);
            Assert.IsGreaterThan(row[0], row[1]);
            row = [3, 3, 3];
            Softmax.Apply(row, temperature, row);
            CollectionAssert.AreEqual(new[] { 1 / 3f, 1 / 3f, 1 / 3f }, row);
        }
    }

    [TestMethod]
    public void LogitsOfAnySizeAndAnyTemperatureKeepThePrediction() => (
        from classes in Gen.Int[2, 8]
        from logits in Gen.OneOf(Gen.Float[-1, 1], Gen.Float[-1e4f, 1e4f], Gen.Float[1, 1.00001f], Gen.Const(float.NegativeInfinity))
            .Array[classes]
        from finite in Gen.Int[0, classes - 1]
        from temperature in Gen.Double[-300, 300]
        select (logits: logits.Select((logit, k) => k == finite ? 0.5f : logit).ToArray(), temperature: Math.Pow(10, temperature)))
            .Sample(test =>
    {
        float[] scaled = new float[test.logits.Length];
        Softmax.Apply(test.logits, test.temperature, scaled);
        Assert.AreEqual(Array.IndexOf(test.logits, test.logits.Max()), Array.IndexOf(scaled, scaled.Max()));
        Assert.IsNull(ProbabilityRow.Problem(scaled));
    });

    [TestMethod]
    public void ApplyByHand()
    {
        float[] row = [.8f, .2f];
        TemperatureScaling.Apply(row, 2, row);
        Assert.AreEqual(2 / 3f, row[0], 1e-7f);
        TemperatureScaling.Apply([.8f, .2f, 0], 1, row = new float[3]);
        CollectionAssert.AreEqual(new[] { .8f, .2f, 0 }, row);
    }

    [TestMethod]
    public void WrongArgumentsAreNamed()
    {
        Assert.AreEqual("labels", Assert.ThrowsExactly<ArgumentException>(() => LeastLogLossTemperature.Fit([], [], 2)).ParamName);
        Assert.AreEqual("logits", Assert.ThrowsExactly<ArgumentException>(() => LeastLogLossTemperature.Fit([1, 2, 3], [0], 2)).ParamName);
        Assert.AreEqual("labels", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => LeastLogLossTemperature.Fit([1, 2], [2], 2)).ParamName);
        float[][] rows = [[1, float.NaN], [float.PositiveInfinity, 1], [float.NegativeInfinity, float.NegativeInfinity]];
        foreach (float[] row in rows)
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(
                () => LeastLogLossTemperature.Fit([0, 0, .. row], [0, 0], 2)).Message, "Row 1");
        foreach (double temperature in new[] { 0, -1, double.NaN, double.PositiveInfinity, 1e-40, 0.0099, 100.1 })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TemperatureScaling.Apply([.5f, .5f], temperature, new float[2]));
    }

    private static float[] Logarithms(float[] probabilities) => [.. probabilities.Select(value => MathF.Log(value))];

    private static float[] Apply(float[] probabilities, int classes, double temperature)
    {
        float[] scaled = new float[probabilities.Length];
        for (int row = 0; row < scaled.Length; row += classes)
            TemperatureScaling.Apply(probabilities.AsSpan(row, classes), temperature, scaled.AsSpan(row, classes));
        return scaled;
    }

    private static double LogLoss(float[] logits, int[] labels, int classes, double temperature)
        => labels.Select((label, row) =>
        {
            double[] z = [.. logits.Skip(row * classes).Take(classes).Select(logit => logit / temperature)];
            return Math.Log(z.Sum(value => Math.Exp(value - z.Max()))) + z.Max() - z[label];
        }).Average();
}
