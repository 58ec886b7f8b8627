using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Near copies of one row (frames of one film, pictures of one patient) say no more than it does.</summary>
[TestClass]
public sealed class CopiedRowsTests
{
    private const int Classes = 3, Copies = 20;

    /// <summary>A calibrated model, and 20 patients of whom each row is a copy: what a calibrator learns of them is chance. It would see
    /// that in the parts that it is judged on, unless these hold copies of what it learnt from.</summary>
    [TestMethod]
    [DataRow("Vector", "HeldOut")]
    [DataRow("Vector", "CrossFitted")]
    [DataRow("Dirichlet", "HeldOut")]
    [DataRow("Dirichlet", "CrossFitted")]
    [DataRow("StructuredMatrix", "HeldOut")]
    [DataRow("StructuredMatrix", "CrossFitted")]
    public void CopiesAreNotLearntFromAndJudgedOnAtOnce(string kind, string around)
    {
        const int Draws = 12, Patients = 20;
        var mlContext = new MLContext(seed: 1);
        IDataView others = View(mlContext, seed: 999, patients: 2_000, copies: 1);
        double before = LogLoss(others), harm = 0, harmOfRows = 0;
        MulticlassCalibratorsCatalog calibrators = mlContext.MulticlassClassification.Calibrators;
        MulticlassCalibratorEstimator calibrator = CalibratorFits.Estimator(kind, mlContext);
        IEstimator<ITransformer> model = mlContext.Transforms.CopyColumns("Copy", "Patient");     // the scores are there already
        for (int draw = 0; draw < Draws; draw++)
        {
            ITransformer fitted = around == "HeldOut"
                ? calibrators.HeldOut(model, calibrator, .5, "Patient").Fit(View(mlContext, draw, 2 * Patients, Copies))
                : calibrators.CrossFitted(model, calibrator, 4, "Patient").Fit(View(mlContext, draw, Patients, Copies));
            harm += LogLoss(fitted.Transform(others)) - before;
            harmOfRows += LogLoss(calibrator.Fit(View(mlContext, draw, Patients, Copies)).Transform(others)) - before;
        }

        Assert.IsLessThan(.7 * harmOfRows, harm, $"{kind} {around}");
        Assert.IsGreaterThan(.05, harmOfRows / Draws, "the example");

        double LogLoss(IDataView data) => mlContext.MulticlassClassification.EvaluateCalibration(data).LogLoss;
    }

    /// <summary>Nine patients of twelve right where .8 is said ask for T = 1.24, and a cross-fit of rows that are copies agrees. By
    /// patients it shows the harm of each temperature to those that it was not fitted on.</summary>
    [TestMethod]
    public void ATemperatureIsJudgedByWholeGroups()
    {
        float[] logits = [.. Enumerable.Range(0, 12 * Copies).SelectMany(_ => new[] { MathF.Log(.8f), MathF.Log(.2f) })];
        int[] labels = [.. Enumerable.Range(0, 12 * Copies).Select(row => row / Copies < 9 ? 0 : 1)];
        Assert.AreEqual(1.244, TemperatureScaling.FitWithPrior(logits, labels, 2), .001);
        Assert.AreEqual(1.0, TemperatureScaling.FitWithPrior(logits, labels, 2,
            groups: [.. Enumerable.Range(0, labels.Length).Select(row => row / Copies)]));
        Assert.AreEqual(1.244, TemperatureScaling.FitWithPrior(logits, labels, 2,
            groups: [.. Enumerable.Range(0, labels.Length).Select(row => 2 * row + 1)]), .001, "each row a group");
    }

    /// <summary>Groups of one to six rows, of which some numbers have none.</summary>
    [TestMethod]
    public void RowsOfAGroupComeIntoOnePart()
    {
        const int Parts = 5;
        var random = new Random(1);
        ScoredRows rows = ScoredRows.Confused(300);
        int[] groups = [.. Enumerable.Range(0, 300).Select(_ => 3 * random.Next(80))];
        var loss = new TemperatureLoss([.. rows.Scores.Select(p => MathF.Log(p))], rows.Labels, rows.Classes);
        int[] parts = TemperatureCrossFit.Deal(loss, Parts, groups);
        foreach (IGrouping<int, int> group in Enumerable.Range(0, 300).GroupBy(row => groups[row]))
            Assert.HasCount(1, group.Select(row => parts[row]).Distinct());
        for (int part = 0; part < Parts; part++)
            Assert.AreEqual(300 / Parts, parts.Count(own => own == part), 6);
        CollectionAssert.AreEqual(TemperatureCrossFit.Deal(loss, Parts),
            TemperatureCrossFit.Deal(loss, Parts, [.. Enumerable.Range(0, 300).Select(row => 2 * row)]));
    }

    private static IDataView View(MLContext mlContext, int seed, int patients, int copies)
    {
        ScoredRows rows = ScoredRows.Drawn(patients, new double[,] { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, [0, 0, 0], seed);
        return mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, patients * copies).Select(i => new Row
        {
            Patient = i / copies, Label = (uint)rows.Labels[i / copies], Score = rows.Row(i / copies),
        }).ToArray());
    }

    private sealed class Row
    {
        public int Patient { get; set; }

        [KeyType(Classes)]
        public uint Label { get; set; }

        [VectorType(Classes)]
        public float[] Score { get; set; } = [];
    }
}
