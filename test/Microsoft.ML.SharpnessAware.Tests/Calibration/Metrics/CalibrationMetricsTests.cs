namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CalibrationMetricsTests
{
    private const double Exact = 1e-12;

    [TestMethod]
    [DataRow("overconfident")]
    [DataRow("underconfident")]
    public void MetricsEqualThePublishedCode(string name)
    {
        CalibrationReference reference = CalibrationReference.Load(name);
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(reference.Scores, reference.Labels, reference.NumberOfClasses);

        // The published ECE code works in float32 in part, hence its last digits.
        double ece = metrics.ExpectedCalibrationError;
        Assert.AreEqual(reference["ece15"], ece, 5e-8);
        Assert.AreEqual(reference["classwise_ece15"], metrics.ClasswiseCalibrationError, 5e-8);
        Assert.AreEqual(reference["mce15"], metrics.MaximumCalibrationError, 5e-8);
        Assert.AreEqual(reference["rmsce15"], metrics.RootMeanSquareCalibrationError, 5e-8);
        Assert.AreEqual(reference["brier_sum_over_classes"], metrics.BrierScore, Exact);
        Assert.AreEqual(reference["nll"], metrics.LogLoss, Exact);
        Assert.AreEqual(reference["mean_entropy"], metrics.MeanEntropy, Exact);
        Assert.AreEqual(reference["accuracy"], metrics.Accuracy, Exact);
        Assert.AreEqual(reference["mean_confidence"], metrics.MeanConfidence, Exact);
        CollectionAssert.AreEqual(reference.BinCounts, metrics.ReliabilityDiagram.Bins.Select(bin => bin.Count).ToArray());
        Assert.AreEqual(reference.Labels.Length, metrics.Count);
        Assert.AreEqual(0, metrics.SkippedRows);
        Assert.AreEqual(reference.NumberOfClasses, metrics.NumberOfClasses);

        MulticlassCalibrationMetrics tenBins =
            CalibrationMetrics.Compute(reference.Scores, reference.Labels, reference.NumberOfClasses, 10);
        ece = tenBins.ExpectedCalibrationError;
        Assert.AreEqual(reference["ece10"], ece, 5e-8);
        Assert.HasCount(10, tenBins.ReliabilityDiagram.Bins);
    }

    /// <summary>
    /// The published adaptive ECE takes the confidences at the positions j·N/15 of the sorted rows as edges and closes bins there, so its
    /// first bin has a row more than the others and its last a row less; it also opens its first bin at the smallest confidence,
    /// exclusively, and so loses that row. Bins are equal here, and all rows count: a row in another bin moves the error by at most 2/N.
    /// </summary>
    [TestMethod]
    [DataRow("overconfident")]
    [DataRow("underconfident")]
    public void AdaptiveErrorDiffersFromThePublishedCodeByTheRowsAtItsEdges(string name)
    {
        CalibrationReference reference = CalibrationReference.Load(name);
        double rows = reference.Labels.Length;
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(reference.Scores, reference.Labels, reference.NumberOfClasses);

        Assert.AreEqual(reference["ada_ece15"], AdaptiveErrorByValue(reference), 5e-8);
        Assert.AreEqual(reference["ada_ece15"], metrics.AdaptiveCalibrationError, (2 * 14 + 1) / rows);
        long[] counts = [.. metrics.AdaptiveReliabilityDiagram.Bins.Select(bin => bin.Count)];
        Assert.IsLessThanOrEqualTo(1, counts.Max() - counts.Min());
    }

    [TestMethod]
    public void DocumentedMulticlassVectorWithThreeBins()
    {
        float[] scores = [.25f, .20f, .55f, .55f, .05f, .40f, .10f, .30f, .60f, .90f, .05f, .05f];
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(scores, [0, 1, 2, 0], 3, 3);
        Assert.AreEqual(0.2000, metrics.ExpectedCalibrationError, 5e-5);
        Assert.AreEqual(0.2082, metrics.RootMeanSquareCalibrationError, 5e-5);
        Assert.AreEqual(0.2333, metrics.MaximumCalibrationError, 5e-5);
    }

    [TestMethod]
    public void DocumentedBrierScores()
    {
        Assert.AreEqual(0.52, CalibrationMetrics.Compute([.6f, .3f, .1f, .2f, .5f, .3f], [0, 2], 3).BrierScore, 1e-7);
        Assert.AreEqual(0.13, CalibrationMetrics.Compute([.8f, .2f, .3f, .7f], [0, 1], 2).BrierScore, 1e-7);
    }

    /// <summary>
    /// Four rows of two classes, all predicted as class 0 with confidence 0.75, 0.75, 1 and 1; the second and the fourth are of class 1.
    /// Bins of one half: all rows in the second. Accuracy 0.5, confidence 0.875. Adaptive with two bins: (0.75, 0.75) and
    /// (1, 1).
    /// </summary>
    [TestMethod]
    public void EveryMetricByHand()
    {
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute([.75f, .25f, .75f, .25f, 1, 0, 1, 0], [0, 1, 0, 1], 2, 2);
        Assert.AreEqual(0.5, metrics.Accuracy, Exact);
        Assert.AreEqual(0.875, metrics.MeanConfidence, Exact);
        Assert.AreEqual(0.375, metrics.ExpectedCalibrationError, Exact);
        Assert.AreEqual(0.375, metrics.MaximumCalibrationError, Exact);
        Assert.AreEqual(0.375, metrics.RootMeanSquareCalibrationError, Exact);
        Assert.AreEqual(0.375, metrics.AdaptiveCalibrationError, Exact);
        Assert.AreEqual(0.375, metrics.ClasswiseCalibrationError, Exact);
        Assert.AreEqual(0.375, metrics.ExpectedOverconfidence, Exact);
        Assert.AreEqual(0.0, metrics.ExpectedUnderconfidence, Exact);
        Assert.AreEqual(Math.Sqrt(0.375 * 0.375 - 0.25 / 3), metrics.DebiasedRootMeanSquareCalibrationError, Exact);
        Assert.AreEqual((0.125 + 1.125 + 0 + 2) / 4, metrics.BrierScore, Exact);
        Assert.AreEqual(-(Math.Log(0.75) + Math.Log(0.25) + Math.Log(1e-15)) / 4, metrics.LogLoss, Exact);
        Assert.AreEqual(-(0.75 * Math.Log(0.75) + 0.25 * Math.Log(0.25)) / 2, metrics.MeanEntropy, Exact);
    }

    /// <summary>Six rows in three adaptive bins of two.</summary>
    [TestMethod]
    public void AdaptiveBinsByHand()
    {
        // confidence: .5 right, .6 wrong | .7 right, .8 right | .9 wrong, 1 right
        float[] confidences = [.9f, .5f, 1f, .7f, .6f, .8f];
        int[] labels = [1, 0, 0, 0, 1, 0];
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(TwoClasses(confidences), labels, 2, 3);
        Assert.AreEqual((Math.Abs(1.1 - 1) + Math.Abs(1.5 - 2) + Math.Abs(1.9 - 1)) / 6, metrics.AdaptiveCalibrationError, 1e-7);
        Assert.AreEqual(0.25, metrics.AdaptiveCalibrationError, 1e-7);

        // A bin ends at its largest confidence, and the first begins at the smallest.
        ReliabilityDiagram diagram = metrics.AdaptiveReliabilityDiagram;
        Assert.AreEqual(new ReliabilityBin(.5f, .6f, 2, (.5f + (double).6f) / 2, 1 / 2.0), diagram.Bins[0]);
        Assert.AreEqual(new ReliabilityBin(.6f, .8f, 2, (.7f + (double).8f) / 2, 1), diagram.Bins[1]);
        Assert.AreEqual(new ReliabilityBin(.8f, 1, 2, (.9f + (double)1f) / 2, 1 / 2.0), diagram.Bins[2]);
    }

    [TestMethod]
    [DataRow(new[] { .5f, .6f, .7f, .8f, .9f, .95f, 1f }, 3, new[] { 2L, 3, 2 })]                // ends wished at 2.3 and 4.7
    [DataRow(new[] { .5f, .5f, .5f, .6f, .7f, .8f }, 3, new[] { 3L, 1, 2 })]                     // 2 would split: 3 is nearer than 0
    [DataRow(new[] { .5f, .6f, .6f, .6f, .6f, .8f }, 2, new[] { 1L, 5 })]                        // 3 would split: 1 and 5 are equally near
    [DataRow(new[] { .5f, .6f, .6f, .6f, .6f, .6f, .6f, .8f }, 4, new[] { 1L, 0, 6, 1 })]
    [DataRow(new[] { .5f, .6f }, 5, new[] { 0L, 1, 0, 1, 0 })]                                   // fewer rows than bins
    public void AdaptiveBinsAreAsEqualAsTiesAllow(float[] confidences, int bins, long[] counts) => CollectionAssert.AreEqual(counts,
        CalibrationMetrics.Compute(TwoClasses(confidences), new int[confidences.Length], 2, bins).AdaptiveReliabilityDiagram.Bins
            .Select(bin => bin.Count).ToArray());

    /// <summary>Ten equal confidences: one bin has all of them, the others are empty and begin and end there.</summary>
    [TestMethod]
    public void AdaptiveBinsThatTiesLeaveEmptyHaveNoWidth()
    {
        ReliabilityDiagram diagram = CalibrationMetrics.Compute(
            TwoClasses([.. Enumerable.Repeat(.75f, 10)]), new int[10], 2, 3).AdaptiveReliabilityDiagram;
        Assert.AreEqual(new ReliabilityBin(.75, .75, 0, double.NaN, double.NaN), diagram.Bins[0]);
        Assert.AreEqual(new ReliabilityBin(.75, .75, 10, .75, 1), diagram.Bins[1]);
        Assert.AreEqual(new ReliabilityBin(.75, .75, 0, double.NaN, double.NaN), diagram.Bins[2]);
    }

    /// <summary>
    /// Two bins of two rows: at 0.6 one of two right (gap +0.1), at 0.9 none (gap +0.9); and one row at 0.3, wrong (gap +0.3), whose
    /// variance cannot be told. Squared gaps minus accuracy·(1 − accuracy)/(rows − 1): 0.01 − 0.25, 0.81 − 0, and nothing.
    /// </summary>
    [TestMethod]
    public void DebiasedErrorByHand()
    {
        float[] scores = [.6f, .2f, .2f, .6f, .2f, .2f, .9f, .1f, 0, .9f, .1f, 0, .4f, .3f, .3f];
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(scores, [0, 1, 1, 1, 1], 3, 4);
        Assert.AreEqual(Math.Sqrt((2 * (0.01 - 0.25) + 2 * 0.81) / 5), metrics.DebiasedRootMeanSquareCalibrationError, 1e-7);
        Assert.AreEqual(Math.Sqrt((2 * 0.01 + 2 * 0.81 + 0.16) / 5), metrics.RootMeanSquareCalibrationError, 1e-7);

        // Two rows at 0.6, one right: 0.01 − 0.25 is negative.
        metrics = CalibrationMetrics.Compute(TwoClasses([.6f, .6f]), [0, 1], 2);
        Assert.AreEqual(0.0, metrics.DebiasedRootMeanSquareCalibrationError);
    }

    /// <summary>At 0.9 half are right (gap +0.4, two rows), at 0.6 all (gap −0.4, two rows), at 1 all (no gap, one row).</summary>
    [TestMethod]
    public void OverAndUnderconfidenceByHand()
    {
        MulticlassCalibrationMetrics metrics =
            CalibrationMetrics.Compute(TwoClasses([.9f, .9f, .6f, .6f, 1]), [0, 1, 0, 0, 0], 2);
        Assert.AreEqual(2 * 0.4 / 5, metrics.ExpectedOverconfidence, 1e-7);
        Assert.AreEqual(2 * 0.4 / 5, metrics.ExpectedUnderconfidence, 1e-7);
        Assert.AreEqual(4 * 0.4 / 5, metrics.ExpectedCalibrationError, 1e-7);
    }

    /// <summary>Three rows of three classes in two bins, (0, 0.5] and (0.5, 1].</summary>
    [TestMethod]
    public void EveryClassByHand()
    {
        float[] scores = [.7f, .2f, .1f, .6f, .3f, .1f, .2f, .3f, .5f];
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(scores, [0, 1, 1], 3, 2);
        Assert.HasCount(3, metrics.PerClass);

        // p_0: 0.2 in the first bin, not of the class; 0.7 and 0.6 in the second, one of them of the class.
        ClassCalibration first = metrics.PerClass[0];
        Assert.AreEqual(("0", 0, 1L), (first.ClassName, first.ClassIndex, first.Count));
        Assert.AreEqual(1 / 3.0, first.Frequency, Exact);
        Assert.AreEqual(1.5 / 3, first.MeanConfidence, 1e-7);
        double error = first.ExpectedCalibrationError;
        Assert.AreEqual((0.2 + Math.Abs(1.3 - 1)) / 3, error, 1e-7);
        Assert.AreEqual((1L, 0.0), (first.ReliabilityDiagram.Bins[0].Count, first.ReliabilityDiagram.Bins[0].Accuracy));
        Assert.AreEqual((2L, 0.5), (first.ReliabilityDiagram.Bins[1].Count, first.ReliabilityDiagram.Bins[1].Accuracy));
        Assert.AreEqual(0.65, first.ReliabilityDiagram.Bins[1].MeanConfidence, 1e-7);

        // p_1: 0.2, 0.3, 0.3 in the first bin, two of them of the class. p_2: all in the first bin, none of the class.
        Assert.AreEqual((2 - 0.8) / 3, metrics.PerClass[1].ExpectedCalibrationError, 1e-7);
        Assert.AreEqual(2 / 3.0, metrics.PerClass[1].Frequency, Exact);
        Assert.AreEqual(0.7 / 3, metrics.PerClass[2].ExpectedCalibrationError, 1e-7);
        Assert.AreEqual(0, metrics.PerClass[2].Count);
        Assert.AreEqual(metrics.PerClass.Average(c => c.ExpectedCalibrationError), metrics.ClasswiseCalibrationError, Exact);
    }

    /// <summary>300,000 classes × 10,000 bins once were an OverflowException.</summary>
    [TestMethod]
    public void TooManyClassesTimesBinsAreRefusedWithWhatIsPossible()
    {
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => CalibrationMetrics.Compute(new float[300_000], [0], 300_000, 10_000));
        Assert.AreEqual("numberOfBins", exception.ParamName);
        StringAssert.Contains(exception.Message, "there can be 223 bins at most");

        float[] one = new float[300_000];
        one[7] = 1;
        Assert.AreEqual(1.0, CalibrationMetrics.Compute(one, [7], 300_000, 15).Accuracy);
    }

    [TestMethod]
    public void AdaptiveBinsNeverSplitTies()
    {
        // Ten equal confidences, half of them right in an order that a split by position would show.
        float[] scores = TwoClasses([.. Enumerable.Repeat(.75f, 10)]);
        int[] labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        Assert.AreEqual(0.25, CalibrationMetrics.Compute(scores, labels, 2, 5).AdaptiveCalibrationError, Exact);
    }

    [TestMethod]
    public void ClasswiseErrorAveragesOverClassesWithoutRowsToo()
    {
        // Class 0: mean p 0.5, always true. Class 1: mean p 0.25, never. Class 2 likewise.
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute([.5f, .25f, .25f], [0], 3, 15);
        Assert.AreEqual((0.5 + 0.25 + 0.25) / 3, metrics.ClasswiseCalibrationError, Exact);
    }

    [TestMethod]
    public void TiesBelongToTheLowestClass()
    {
        Assert.AreEqual(1.0, CalibrationMetrics.Compute([.4f, .4f, .2f], [0], 3).Accuracy);
        Assert.AreEqual(0.0, CalibrationMetrics.Compute([.4f, .4f, .2f], [1], 3).Accuracy);
    }

    [TestMethod]
    public void EmptyBinsHaveNoMeans()
    {
        ReliabilityDiagram diagram = CalibrationMetrics.Compute([.9f, .1f], [0], 2, 2).ReliabilityDiagram;
        Assert.AreEqual(new ReliabilityBin(0, 0.5, 0, double.NaN, double.NaN), diagram.Bins[0]);
        Assert.AreEqual(new ReliabilityBin(0.5, 1, 1, .9f, 1), diagram.Bins[1]);
    }

    [TestMethod]
    public void RoundingErrorsOfLowPrecisionAreAccepted()
    {
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute([1.00005f, 0, 0, .33f, .33f, .33f], [0, 0], 3);
        Assert.AreEqual((1 + .33f) / 2, metrics.MeanConfidence, 1e-7);
        Assert.AreEqual(-Math.Log(.33f) / 2, metrics.LogLoss, Exact);
    }

    [TestMethod]
    public void OneThousandClasses()
    {
        const int Classes = 1000;
        float[] scores = new float[3 * Classes];
        Array.Fill(scores, 0.5f / (Classes - 1));
        for (int row = 0; row < 3; row++)
            scores[row * Classes + 999] = 0.5f;
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(scores, [999, 999, 0], Classes);
        Assert.AreEqual(2 / 3.0, metrics.Accuracy, Exact);
        Assert.AreEqual(2 / 3.0 - 0.5, metrics.ExpectedCalibrationError, Exact);
        double other = 0.5 / (Classes - 1);
        Assert.AreEqual((2 * (0.25 + 999 * other * other) + 0.25 + (1 - other) * (1 - other) + 998 * other * other) / 3,
            metrics.BrierScore, 1e-7);
    }

    [TestMethod]
    public void RowsThatAreNotProbabilitiesAreNamed()
    {
        Rejects([.5f, .5f, float.NaN, 1], "row 1", "NaN", "class 0");
        Rejects([.5f, .5f, 1.2f, -.2f], "row 1", "negative score -0.2", "class 1");
        Rejects([1.2f, 0, .5f, .5f], "row 0", "1.2, more than 1", "class 0");
        Rejects([.5f, .5f, float.PositiveInfinity, 0], "row 1", "more than 1");
        Rejects([.5f, .5f, .6f, .6f], "row 1", "sum to 1.2");
        Rejects([.5f, .5f, .4f, .4f], "row 1", "sum to 0.8");
        Rejects([.5f, .5f, 0, 0], "row 1", "sum to 0");

        static void Rejects(float[] scores, params string[] parts)
        {
            ArgumentException exception = Assert.ThrowsExactly<ArgumentException>(() => CalibrationMetrics.Compute(scores, [0, 1], 2));
            Assert.AreEqual("scores", exception.ParamName);
            foreach (string part in parts)
                StringAssert.Contains(exception.Message, part);
        }
    }

    [TestMethod]
    public void WrongArgumentsAreNamed()
    {
        float[] scores = [.5f, .5f, .5f, .5f];
        Assert.AreEqual("scores", Assert.ThrowsExactly<ArgumentException>(
            () => CalibrationMetrics.Compute(scores, [0, 1, 1], 2)).ParamName);
        Assert.AreEqual("labels", Assert.ThrowsExactly<ArgumentException>(() => CalibrationMetrics.Compute([], [], 2)).ParamName);
        Assert.AreEqual("numberOfClasses",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => CalibrationMetrics.Compute([1, 1], [0, 0], 1)).ParamName);

        ArgumentOutOfRangeException label = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => CalibrationMetrics.Compute(scores, [0, 2], 2));
        StringAssert.Contains(label.Message, "row 1");
        StringAssert.Contains(label.Message, "[0, 1]");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => CalibrationMetrics.Compute(scores, [-1, 0], 2));

        foreach (int bins in new[] { 0, -1, CalibrationMetrics.MaximumNumberOfBins + 1 })
        {
            ArgumentOutOfRangeException exception =
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => CalibrationMetrics.Compute(scores, [0, 1], 2, bins));
            Assert.AreEqual("numberOfBins", exception.ParamName);
        }
    }

    [TestMethod]
    public void TextIsTheSameInEveryCulture()
    {
        MulticlassCalibrationMetrics metrics = CalibrationMetrics.Compute(TwoClasses([.9f, .8f, .7f]), [0, 0, 1], 2);
        string text = metrics + Environment.NewLine + metrics.ReliabilityDiagram;
        StringAssert.Contains(text, "Accuracy                        66.67 %");
        StringAssert.Contains(text, "(0.667, 0.733]          1     70.00 %     0.00 %   +70.00 %");
        StringAssert.Contains(text, "(0.867, 0.933]          1     90.00 %   100.00 %   -10.00 %");
        using (new CultureScope("de-DE"))
            Assert.AreEqual(text, metrics + Environment.NewLine + metrics.ReliabilityDiagram);
    }

    [TestMethod]
    public void CompensatedSumKeepsWhatPlainAdditionLoses()
    {
        CompensatedSum sum = default;
        foreach (double term in new[] { 1, 1e100, 1, -1e100 })
            sum.Add(term);
        Assert.AreEqual(2.0, sum.Value);
    }

    internal static float[] TwoClasses(float[] confidences)
        => [.. confidences.SelectMany(confidence => new[] { confidence, 1 - confidence })];

    /// <summary>The definition in the shape of the published code: edges by interpolation between sorted values, rows by comparison with
    /// them.</summary>
    private static double AdaptiveErrorByValue(CalibrationReference reference)
    {
        const int Bins = 15;
        int rows = reference.Labels.Length;
        (double Confidence, bool Correct)[] sorted = [.. Enumerable.Range(0, rows).Select(Row).OrderBy(row => row.Confidence)];
        double[] edges = [.. Enumerable.Range(0, Bins + 1).Select(EdgeAt)];
        double error = 0;
        for (int bin = 0; bin < Bins; bin++)
        {
            (double Confidence, bool Correct)[] members =
                [.. sorted.Where(row => row.Confidence > edges[bin] && row.Confidence <= edges[bin + 1])];
            error += Math.Abs(members.Sum(row => row.Confidence - (row.Correct ? 1 : 0))) / rows;
        }

        return error;

        (double Confidence, bool Correct) Row(int row)
        {
            float[] scores = reference.Scores[(row * reference.NumberOfClasses)..((row + 1) * reference.NumberOfClasses)];
            return (scores.Max(), Array.IndexOf(scores, scores.Max()) == reference.Labels[row]);
        }

        double EdgeAt(int edge)
        {
            double position = Math.Min(edge * (double)rows / Bins, rows - 1);
            int below = Math.Min((int)position, rows - 2);
            return sorted[below].Confidence + (position - below) * (sorted[below + 1].Confidence - sorted[below].Confidence);
        }
    }
}
