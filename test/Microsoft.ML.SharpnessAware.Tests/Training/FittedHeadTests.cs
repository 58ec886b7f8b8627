using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class FittedHeadTests
{
    /// <summary>A minimum is where no direction leads down: the gradient by differences is zero, in weights and biases.</summary>
    [TestMethod]
    public void SoftmaxRegressionFindsTheMinimum()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(60, columns: 4, classes: 3, seed: 1);
        const double Ridge = 0.05;
        double[] weights = new SoftmaxRegression(features, labels, 3, () => { }).Fit(Ridge);
        Assert.HasCount(15, weights);
        double least = Loss(features, labels, weights, Ridge);
        for (int i = 0; i < weights.Length; i++)
        {
            foreach (double step in new[] { 1e-3, -1e-3 })
            {
                double[] other = [.. weights];
                other[i] += step;
                Assert.IsGreaterThan(least, Loss(features, labels, other, Ridge), $"weight {i}");
            }
        }
    }

    /// <summary>So that memory does not grow by rows times classes.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(20)]
    [DataRow(3 * 60)]
    public void RowsGoThroughInBlocksWithTheSameResult(int blockSize)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(60, columns: 4, classes: 3, seed: 1);
        double[] expected = new SoftmaxRegression(features, labels, 3, () => { }).Fit(0.05);
        double[] weights = new SoftmaxRegression(features, labels, 3, () => { }, blockSize).Fit(0.05);
        for (int i = 0; i < weights.Length; i++)
            Assert.AreEqual(expected[i], weights[i], 1e-6);
        float[] logits = SoftmaxRegression.Logits(features, weights, 3);
        CollectionAssert.AreEqual(logits, SoftmaxRegression.Logits(features, weights, 3, blockSize));
        double loss = SoftmaxRegression.Loss(features, labels, weights, 3, blockSize);
        Assert.AreEqual(Loss(features, labels, weights, ridge: 0), loss, 1e-12);
    }

    /// <summary>An array has a length at most, and it is better to know before the first epoch.</summary>
    [TestMethod]
    public void MoreLogitsThanAnArrayHoldsAreRefused()
    {
        Assert.AreEqual(2_000_000_000, LogitArray.Length(100_000, 20_000));
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => LogitArray.Length(100_000, 21_841, "Give fewer.")).Message;
        StringAssert.Contains(message, "at most 98323 images can be validated on. Give fewer.");
    }

    /// <summary>Two classes on one feature: the loss is ln(1 + e^(−m)) + λ w²/4 with margin m = 2 w x; solved by bisection here.</summary>
    [TestMethod]
    public void TheRidgeIsHalfLambdaTimesTheSquares()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor features = tensor(new double[] { -1, 1 }, [2, 1]);
        double[] weights = new SoftmaxRegression(features, [0, 1], 2, () => { }).Fit(0.1);
        double low = 0, high = 10;
        for (int i = 0; i < 60; i++)
        {
            double w = (low + high) / 2;      // the slope of ln(1 + e^(−2w)) + 0.1 w² in w, weights being ∓w
            (low, high) = (-2 / (1 + Math.Exp(2 * w))) + (0.2 * w) < 0 ? (w, high) : (low, w);
        }

        Assert.AreEqual(low, weights[2], 1e-5);
        Assert.AreEqual(-low, weights[0], 1e-5);
        Assert.AreEqual(0, weights[1], 1e-6);
    }

    [TestMethod]
    public void LogitsOnFeaturesAsTheyAreAreThoseOfTheStandardisedFit()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(90, columns: 6, classes: 3, seed: 2);
        // As a backbone's: of another scale and far from zero, one that never changes.
        Tensor scaled = cat([features.mul(tensor(40.0)).add(tensor(70.0), FixedScalars.One), ones(90, 1, dtype: float64).mul(tensor(5.0))],
            1);
        using ImageDataset data = Dataset(scaled, labels, 3);
        FittedHead head = FittedHead.Fit(data, validation: null, () => { });
        Assert.IsTrue(head.IsCrossFitted);
        Assert.HasCount(90, head.HeldOutLabels);
        CollectionAssert.AreEquivalent(labels.Select(label => (int)label).ToArray(), head.HeldOutLabels, "each image once");

        float[] logits = SoftmaxRegression.Logits(scaled, head.Weights, 3);
        double loss = LogitMetrics.Of(logits, data.LabelArray(), 3).LogLoss;
        Assert.AreEqual(head.TrainLoss, loss, 1e-5);
        double heldOut = LogitMetrics.Of(head.HeldOutLogits, head.HeldOutLabels, 3, head.Temperature).LogLoss;
        Assert.IsLessThan(Math.Log(3) * 0.7, heldOut, "it has learnt");
    }

    /// <summary>A feature that fired once, faintly, in training fires fully in a picture of another source: the others still decide, and
    /// nothing is certain.</summary>
    [TestMethod]
    public void AFeatureThatHardlyEverFiredDoesNotDecideAlone()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(60, columns: 4, classes: 3, seed: 8);
        Tensor faint = zeros(60, 1, dtype: float64);
        faint[0, 0] = tensor(0.01);     // a picture of class 0
        using ImageDataset data = Dataset(cat([features, faint], 1), labels, 3);
        FittedHead head = FittedHead.Fit(data, validation: null, () => { });

        (Tensor others, long[] otherLabels) = Rows(30, columns: 4, classes: 3, seed: 9);
        float[] quiet = SoftmaxRegression.Logits(cat([others, zeros(30, 1, dtype: float64)], 1), head.Weights, 3);
        float[] loud = SoftmaxRegression.Logits(cat([others, ones(30, 1, dtype: float64)], 1), head.Weights, 3);
        int[] truth = Array.ConvertAll(otherLabels, label => (int)label);
        MulticlassCalibrationMetrics before = LogitMetrics.Of(quiet, truth, 3, head.Temperature);
        MulticlassCalibrationMetrics after = LogitMetrics.Of(loud, truth, 3, head.Temperature);
        Assert.IsGreaterThan(before.Accuracy - 0.1, after.Accuracy);
        Assert.IsLessThan(before.LogLoss + 0.3, after.LogLoss);
    }

    /// <summary>They are orthonormal, hold all of the rows, and the rows are not correlated along them; of many rows and of few.</summary>
    [TestMethod]
    [DataRow(50, 8)]
    [DataRow(8, 50)]
    [DataRow(30, 30)]
    [DataRow(60, 25_088)]
    public void PrincipalAxesAreOrthonormalAndHoldTheRows(int rows, int features)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Tensor values = randn(rows, features, dtype: float64);
        values[rows - 1] = values[0];       // no new direction
        Tensor centred = values.Plus(values.mean([0], keepdim: true).negative());

        Tensor axes = FittedHead.PrincipalAxes(centred);

        Tensor turned = centred.matmul(axes), squares = turned.t().matmul(turned);
        Assert.AreEqual(Math.Min(rows - 2, features), axes.shape[1]);
        Assert.IsTrue(axes.t().matmul(axes).allclose(eye(axes.shape[1], dtype: float64), atol: 1e-9));
        Assert.IsTrue(turned.matmul(axes.t()).allclose(centred, atol: 1e-9));
        Assert.IsTrue(squares.allclose(squares.diag().diag(), atol: 1e-6 * squares.max().item<double>()));
    }

    /// <summary>Deviations of 1 and 4: the roots are 1 and 2, and the mean of the deviations is 2.5.</summary>
    [TestMethod]
    public void AFeatureIsDividedByTheRootOfItsDeviation()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor features = tensor(new double[] { 1, -4, 3, 4, 1, 4, 3, -4 }, [4, 2]);
        long[] labels = [0, 1, 1, 0];
        using ImageDataset data = Dataset(features, labels, 2);
        FittedHead head = FittedHead.Fit(data, data, () => { });
        double first = Math.Sqrt(2.5), second = 2 * Math.Sqrt(2.5);
        Tensor scaled = features.Plus(tensor(new double[] { -2, 0 })).div(tensor(new[] { first, second }));
        double[] expected = new SoftmaxRegression(scaled, labels, 2, () => { }).Fit(head.Ridge);
        for (int k = 0; k < 2; k++)
        {
            Assert.AreEqual(expected[3 * k] / first, head.Weights[3 * k], 1e-6);
            Assert.AreEqual(expected[(3 * k) + 1] / second, head.Weights[(3 * k) + 1], 1e-6);
        }
    }

    /// <summary>Fewer images than features, which also say the same thing over and over, as loud as they like: still one minimum, and it
    /// is found. The slope of the loss in every weight is worked out here by itself.</summary>
    [TestMethod]
    public void TheMinimumIsFoundInMoreFeaturesThanImages()
    {
        const int Count = 12, Columns = 40, Classes = 3;
        using DisposeScope scope = NewDisposeScope();
        (Tensor few, long[] labels) = Rows(Count, columns: 6, Classes, seed: 10);
        var random = new Random(11);
        Tensor mixing = tensor([.. Enumerable.Range(0, 6 * Columns).Select(i => Math.Pow(10, i % 4) * (random.NextDouble() - 0.5))],
            [6, Columns]);
        using ImageDataset data = Dataset(few.matmul(mixing), labels, Classes);
        FittedHead head = FittedHead.Fit(data, validation: null, () => { });

        Tensor features = data.Batch(0, Count).flatten(1).to(float64);
        Tensor scale = Scale(features);
        Tensor scaled = features.Plus(features.mean([0], keepdim: true).negative()).div(scale);
        Tensor weights = tensor(head.Weights, [Classes, Columns + 1]).narrow(1, 0, Columns).mul(scale);
        float[] logits = SoftmaxRegression.Logits(features, head.Weights, Classes);
        Tensor residuals = nn.functional.softmax(tensor(logits, [Count, Classes]).to(float64), 1)
            .Plus(nn.functional.one_hot(tensor(labels), Classes).to(float64).negative());
        Tensor slope = residuals.t().matmul(scaled).div(tensor((double)Count)).Plus(weights.mul(tensor(head.Ridge)));
        Assert.IsLessThan(1e-4, slope.abs().max().item<double>());
        Assert.IsGreaterThan(1e-2, weights.mul(tensor(head.Ridge)).abs().max().item<double>(), "what the slope is small beside");
    }

    [TestMethod]
    public void TheLayerOfANetworkGetsTheWeightsOverATemperature()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(30, columns: 4, classes: 3, seed: 13);
        using ImageDataset data = Dataset(features, labels, 3);
        FittedHead head = FittedHead.Fit(data, validation: null, () => { });
        using Linear layer = nn.Linear(4, 3);
        head.CopyTo(layer, temperature: 2);
        for (int k = 0; k < 3; k++)
        {
            for (int i = 0; i < 4; i++)
                Assert.AreEqual(head.Weights[(5 * k) + i] / 2, layer.weight[k, i].item<float>(), 1e-6);
            Assert.AreEqual(head.Weights[(5 * k) + 4] / 2, layer.bias![k].item<float>(), 1e-6);
        }
    }

    /// <summary>In noise the loss falls from ridge to ridge, rises once, and falls again below what it was.</summary>
    [TestMethod]
    public void TheRidgeIsThatOfTheLeastHeldOutLoss()
    {
        double[] ridges = [10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(24, columns: 12, classes: 3, seed: 14, noise: 4);
        (Tensor others, long[] otherLabels) = Rows(12, columns: 12, classes: 3, seed: 1014, noise: 4);
        using ImageDataset training = Dataset(features, labels, 3), validation = Dataset(others, otherLabels, 3);
        double[] losses = [.. ridges.Select(LossOf)];
        Assert.IsTrue(losses[3] < losses[4] && losses[5] < losses[3] && losses[5] == losses.Min(), string.Join(" ", losses));

        Assert.AreEqual(ridges[5], FittedHead.Fit(training, validation, () => { }).Ridge);

        double LossOf(double ridge)
        {
            Tensor centre = features.mean([0], keepdim: true).negative(), scale = Scale(features);
            double[] weights = new SoftmaxRegression(features.Plus(centre).div(scale), labels, 3, () => { }).Fit(ridge);
            float[] logits = SoftmaxRegression.Logits(others.Plus(centre).div(scale), weights, 3);
            return CautiousTemperature.Fit(logits, validation.LabelArray(), 3).Loss;
        }
    }

    [TestMethod]
    public void WhatIsHeldOutHasNotBeenSeen()
    {
        // Features that say nothing: a head that had seen its rows would be right about all of them.
        using DisposeScope scope = NewDisposeScope();
        var random = new Random(3);
        double[] noise = [.. Enumerable.Range(0, 60 * 100).Select(_ => random.NextDouble() - 0.5)];
        long[] labels = [.. Enumerable.Range(0, 60).Select(i => (long)(i % 2))];
        using ImageDataset data = Dataset(tensor(noise, [60, 100]), labels, 2);
        FittedHead head = FittedHead.Fit(data, validation: null, () => { });
        MulticlassCalibrationMetrics heldOut = LogitMetrics.Of(head.HeldOutLogits, head.HeldOutLabels, 2, head.Temperature);
        Assert.IsLessThan(0.75, heldOut.Accuracy);
        Assert.IsGreaterThan(0.6, heldOut.LogLoss);
    }

    [TestMethod]
    public void GivenValidationImagesAreWhatIsHeldOut()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(60, columns: 4, classes: 3, seed: 4);
        (Tensor others, long[] otherLabels) = Rows(12, columns: 4, classes: 3, seed: 5);
        using ImageDataset training = Dataset(features, labels, 3), validation = Dataset(others, otherLabels, 3);
        FittedHead head = FittedHead.Fit(training, validation, () => { });
        Assert.IsFalse(head.IsCrossFitted);
        CollectionAssert.AreEqual(validation.LabelArray(), head.HeldOutLabels);
        float[] logits = SoftmaxRegression.Logits(others, head.Weights, 3);
        for (int i = 0; i < logits.Length; i++)
            Assert.AreEqual(head.HeldOutLogits[i], logits[i], 1e-3f, "the head that spoke of them is the model's");
    }

    [TestMethod]
    [DataRow(2, 1)]
    [DataRow(3, 2)]
    public void AFewImagesOfEachClassAreEnough(int classes, int each)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] labels = [.. Enumerable.Range(0, classes * each).Select(i => (long)(i % classes))];
        Tensor features = rand(classes * each, 5, dtype: float64);
        using ImageDataset data = Dataset(features, labels, classes);
        FittedHead head = FittedHead.Fit(data, validation: null, () => { });
        Assert.IsTrue(head.Weights.All(double.IsFinite));
        Assert.IsTrue(double.IsFinite(head.Temperature));
    }

    [TestMethod]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    public void ANetworkThatGivesNoNumbersIsAnErrorThatNamesTheImage(double value)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(30, columns: 4, classes: 3, seed: 12);
        using ImageDataset good = Dataset(features, labels, 3);
        features[7, 2] = tensor(value);
        using ImageDataset bad = Dataset(features, labels, 3);
        string training = Assert.ThrowsExactly<InvalidOperationException>(() => FittedHead.Fit(bad, null, () => { })).Message;
        StringAssert.Contains(training, "for training image 7 (counted from 0; 1 of 30 in all)");
        string validation = Assert.ThrowsExactly<InvalidOperationException>(() => FittedHead.Fit(good, bad, () => { })).Message;
        StringAssert.Contains(validation, "for validation image 7");
    }

    [TestMethod]
    public void TheSameImagesGiveTheSameHead()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor features, long[] labels) = Rows(60, columns: 4, classes: 3, seed: 6);
        using ImageDataset data = Dataset(features, labels, 3);
        FittedHead first = FittedHead.Fit(data, null, () => { }), second = FittedHead.Fit(data, null, () => { });
        CollectionAssert.AreEqual(first.Weights, second.Weights);
        Assert.AreEqual(first.Temperature, second.Temperature);
    }

    /// <summary>Ten people, six pictures each, one after the other, told by a feature of their own each: a head that has seen a person's
    /// other pictures is right about all of them, and of a stranger knows nothing.</summary>
    [TestMethod]
    public void PicturesThatFollowEachOtherAreHeldOutTogether()
    {
        const int People = 10, Each = 6;
        using DisposeScope scope = NewDisposeScope();
        Tensor features = zeros(People * Each, People, dtype: float64);
        long[] labels = new long[People * Each];
        for (int row = 0; row < labels.Length; row++)
        {
            int person = row / Each;
            labels[row] = person % 2;
            features[row, person] = tensor(1.0);
        }

        using ImageDataset data = Dataset(features, labels, 2);
        FittedHead head = FittedHead.Fit(data, validation: null, () => { });
        MulticlassCalibrationMetrics heldOut = LogitMetrics.Of(head.HeldOutLogits, head.HeldOutLabels, 2, head.Temperature);
        Assert.IsLessThan(0.7, heldOut.Accuracy, "the people are strangers");
        Assert.IsGreaterThan(0.6, heldOut.LogLoss);
        Assert.HasCount(People * Each, head.HeldOutLabels);
    }

    /// <summary>Right about every held-out picture says that errors are rare and not that there are none: no head is certain
    /// then.</summary>
    [TestMethod]
    [DataRow(15)]
    [DataRow(60)]
    public void AllRightOutOfFoldIsNotCertainty(int rows)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] labels = [.. Enumerable.Range(0, rows).Select(i => (long)(i % 3))];
        var random = new Random(1);
        double[] values = [.. labels.SelectMany(label => Enumerable.Range(0, 3)
            .Select(k => (k == label ? 3 : 0) + random.NextDouble() - 0.5))];
        using ImageDataset data = Dataset(tensor(values, [rows, 3]), labels, 3);
        FittedHead head = FittedHead.Fit(data, validation: null, () => { });
        MulticlassCalibrationMetrics heldOut = LogitMetrics.Of(head.HeldOutLogits, head.HeldOutLabels, 3, head.Temperature);
        Assert.AreEqual(1, heldOut.Accuracy);
        Assert.IsGreaterThan(1.0 / (rows + 2), 1 - heldOut.MeanConfidence);
    }

    private static double Loss(Tensor features, long[] labels, double[] weights, double ridge)
    {
        const int Columns = 5;
        double[] rows = features.data<double>().ToArray();
        double loss = 0;
        for (int row = 0; row < labels.Length; row++)
        {
            double[] logits = [.. Enumerable.Range(0, 3).Select(k => weights[(k * Columns) + 4]
                + Enumerable.Range(0, 4).Sum(i => weights[(k * Columns) + i] * rows[(row * 4) + i]))];
            loss += Math.Log(logits.Sum(Math.Exp)) - logits[labels[row]];
        }

        double squares = weights.Select((weight, i) => (i % Columns == 4 ? 1e-3 : 1) * weight * weight).Sum();
        return (loss / labels.Length) + (ridge / 2 * squares);
    }

    /// <summary>What features are divided by, written down a second time.</summary>
    private static Tensor Scale(Tensor features)
    {
        Tensor deviation = features.std(0, unbiased: false, keepdim: true);
        return deviation.mul(deviation.mean()).sqrt();
    }

    private static (Tensor Features, long[] Labels) Rows(int count, int columns, int classes, int seed, double noise = 1)
    {
        var random = new Random(seed);
        long[] labels = [.. Enumerable.Range(0, count).Select(i => (long)(i % classes))];
        double[] values = [.. from label in labels
                              from column in Enumerable.Range(0, columns)
                              select (column % classes == label ? 1.5 : 0) + (2 * noise * (random.NextDouble() - 0.5))];
        return (tensor(values, [count, columns]), labels);
    }

    private static ImageDataset Dataset(Tensor features, long[] labels, int classes) => new(
        new TensorPixels(features.to(float32).reshape(features.shape[0], features.shape[1], 1, 1).DetachFromDisposeScope()), rows: null,
        tensor(labels, device: CPU), classes);
}
