using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Decisions fitted on rows that belong together: pictures of one patient, frames of one film.</summary>
[TestClass]
public sealed class DecisionsOfClustersTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    /// <summary>All rows of a patient are right or all wrong, whatever the confidence: whatever is accepted is right in .89 where .9 are
    /// asked. The promise may be broken in one draw of twenty.</summary>
    [TestMethod]
    [DataRow(100, 10)]
    [DataRow(40, 50)]
    public void AbstentionKeepsItsPromiseWhereRowsAreRightTogether(int patients, int pictures)
    {
        const int Draws = 300;
        int byCluster = 0, byRow = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var random = new Random(draw);
            IDataView data = View(Enumerable.Range(0, patients).SelectMany(patient =>
            {
                uint label = random.NextDouble() < .89 ? 0u : 1;
                return Enumerable.Range(0, pictures).Select(_ => Row.Of(patient, label, .5f + .5f * random.NextSingle()));
            }));
            byCluster += IsBroken("Patient", data);
            byRow += IsBroken(null, data);
        }

        Assert.IsGreaterThan(1e-4, 1 - BinomialTail.AtMost(byCluster - 1, Draws, .05), $"{byCluster} of {Draws}");
        Assert.IsGreaterThan(.1 * Draws, byRow, "rows are no more independent here than the example needs");

        int IsBroken(string? clusters, IDataView data) => double.IsFinite(_mlContext.MulticlassClassification.Decisions
            .Abstain(.9, .95, clusterColumnName: clusters).Fit(data).Threshold) ? 1 : 0;
    }

    /// <summary>The true class has the same probability, from 0 to 1, in all rows of a patient, so that the coverage is the
    /// threshold.</summary>
    [TestMethod]
    [DataRow(PredictionSetScore.LeastAmbiguous)]
    [DataRow(PredictionSetScore.Adaptive)]
    public void SetsKeepTheirPromiseWhereRowsAreAlike(PredictionSetScore score)
    {
        const int Draws = 300, Patients = 12, Later = 200;
        double byCluster = 0, byRow = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            var random = new Random(draw);
            IDataView data = View(Enumerable.Range(0, Patients).SelectMany(patient => Alike(patient, 20)));
            IDataView later = View(Enumerable.Range(0, Later).SelectMany(patient => Alike(patient, 1)));
            byCluster += Coverage("Patient");
            byRow += Coverage(null);

            Row[] Alike(int patient, int pictures)
            {
                float ofTruth = random.NextSingle();
                return [.. Enumerable.Range(0, pictures).Select(_ => Row.Of(patient, 0, ofTruth))];
            }

            double Coverage(string? clusters) => _mlContext.MulticlassClassification.EvaluatePredictionSets(
                _mlContext.MulticlassClassification.Decisions.PredictionSets(.9, score, clusterColumnName: clusters).Fit(data)
                    .Transform(later)).Coverage;
        }

        // ⌈13 · .9⌉ = 12 of 13, with the chance of the fits and of the rows measured.
        double chance = 5 * Math.Sqrt(.09 / Draws * (1.0 / 13 + 1.0 / Later));
        Assert.AreEqual(12 / 13.0, byCluster / Draws, chance);
        Assert.IsLessThan(.9 - chance, byRow / Draws, "rows are no more independent here than the example needs");
    }

    [TestMethod]
    public void OneRowOfEachClusterIsFittedOnInWhateverOrderRowsCome()
    {
        Row[] rows = [.. Enumerable.Range(0, 40).SelectMany(patient => Enumerable.Range(0, 1 + patient % 7)
            .Select(picture => Row.Of(patient, (uint)(patient % 2), .5f + .01f * patient)))];
        foreach (int order in Enumerable.Range(0, 5))
        {
            new Random(order).Shuffle(rows);
            Assert.AreEqual(40, _mlContext.MulticlassClassification.Decisions.PredictionSets(clusterColumnName: "Patient").Fit(View(rows))
                .FittedRows);
            AbstentionTransformer abstention =
                _mlContext.MulticlassClassification.Decisions.Abstain(.2, .9, clusterColumnName: "Patient").Fit(View(rows));
            Assert.AreEqual(40, abstention.FittedRows);
            Assert.AreEqual(.5, abstention.ObservedAccuracy, "each patient counts once");
        }
    }

    /// <summary>Any row of a cluster may be the one, and another place in another cluster: the first frame of a film may be
    /// unlike the others.</summary>
    [TestMethod]
    public void EachPlaceIsChosenEquallyOften()
    {
        const int Many = 6_000, Rows = 5;
        int[] ofSeeds = new int[Rows], ofClusters = new int[Rows];
        var chosen = new OneRowOfEachCluster(seed: 0);
        for (int i = 0; i < Many; i++)
        {
            var ofSeed = new OneRowOfEachCluster(seed: i);
            for (int place = 0; place < Rows; place++)
            {
                ofSeed.Add([place], place, 0);
                chosen.Add([place], place, i);
            }

            ofSeed.ForEach((row, label) => ofSeeds[(int)row[0] == label ? label : -1]++);
        }

        chosen.ForEach((row, label) => ofClusters[(int)row[0] == label ? label : -1]++);
        foreach (int count in (int[])[.. ofSeeds, .. ofClusters])
            Assert.AreEqual(Many / (double)Rows, count, 5 * Math.Sqrt(Many * .16));
    }

    /// <summary>Rows without a label are not among those that one is chosen of.</summary>
    [TestMethod]
    public void RowsWithoutALabelLeaveTheirClusterToTheOthers()
    {
        Row[] rows = [.. Enumerable.Range(0, 300).Select(i => Row.Of(i / 3, 0, .8f))];
        for (int i = 0; i < rows.Length; i++)
            rows[i].Label = i % 3 == 1 || i < 30 ? 7u : 0;        // 7 is no class; the first ten patients have no other row
        Assert.AreEqual(90, _mlContext.MulticlassClassification.Decisions.PredictionSets(clusterColumnName: "Patient").Fit(View(rows))
            .FittedRows);
    }

    /// <summary>As in the metrics.</summary>
    [TestMethod]
    public void ARowWithoutAClusterStandsForItself()
    {
        Row[] rows = [.. Enumerable.Range(0, 60).Select(i => Row.Of(i / 10, 0, .8f))];
        foreach (Row row in rows.Take(20))
            (row.Patient, row.Real) = ("", float.NaN);
        Assert.AreEqual(24, _mlContext.MulticlassClassification.Decisions.PredictionSets(clusterColumnName: "Patient").Fit(View(rows))
            .FittedRows);
        Assert.AreEqual(24, _mlContext.MulticlassClassification.Decisions.Abstain(clusterColumnName: "Real").Fit(View(rows)).FittedRows);
    }

    [TestMethod]
    public void AColumnThatIsNoneIsRefusedBeforeAnythingIsFitted()
    {
        var decisions = _mlContext.MulticlassClassification.Decisions;
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => decisions.PredictionSets(clusterColumnName: "")).Message,
            "The cluster column needs a name");
        Assert.ThrowsExactly<ArgumentException>(() => decisions.Abstain(clusterColumnName: ""));
        IDataView data = View(Enumerable.Range(0, 60).Select(i => Row.Of(i / 10, 0, .8f)));
        Check("Nowhere", "Nowhere");
        Check("Score", "Column 'Score': expected the cluster of each row");

        void Check(string column, string message)
        {
            IEstimator<PredictionSetTransformer> sets = decisions.PredictionSets(clusterColumnName: column);
            IEstimator<AbstentionTransformer> abstention = decisions.Abstain(clusterColumnName: column);
            foreach (Action action in (Action[])[() => sets.Fit(data), () => abstention.Fit(data),
                () => sets.GetOutputSchema(SchemaShape.Create(data.Schema)),
                () => abstention.GetOutputSchema(SchemaShape.Create(data.Schema))])
                StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(action).Message, message);
        }
    }

    [TestMethod]
    public void WarningsCountClusters()
    {
        List<string> warnings = [];
        _mlContext.Log += (_, log) =>
        {
            if (log.Kind == ChannelMessageKind.Warning)
                warnings.Add(log.RawMessage);
        };
        IDataView data = View(Enumerable.Range(0, 1000).Select(i => Row.Of(i / 50, 0, .8f)));
        var decisions = _mlContext.MulticlassClassification.Decisions;
        decisions.PredictionSets(.99, clusterColumnName: "Patient").Fit(data);
        decisions.PredictionSets(.9, perClass: true, clusterColumnName: "Patient").Fit(data);
        decisions.Abstain(clusterColumnName: "Patient").Fit(data);
        Assert.HasCount(3, warnings);
        StringAssert.StartsWith(warnings[0], "20 row(s) (one of each cluster in column 'Patient') cannot promise a coverage of 99 %");
        StringAssert.StartsWith(warnings[1], "1 class(es) have fewer than the 9 rows (one of each cluster in column 'Patient') that");
        StringAssert.StartsWith(warnings[2], "These 20 row(s) (one of each cluster in column 'Patient') do not let an accuracy of 99 %");
    }

    /// <summary>Only Fit reads the clusters.</summary>
    [TestMethod]
    public void WhatIsFittedNeedsNoClusters()
    {
        Row[] rows = [.. Enumerable.Range(0, 3000).Select(i => Row.Of(i / 5, 0, .5f + .05f * (i % 7)))];
        var decisions = _mlContext.MulticlassClassification.Decisions;
        var fitted = decisions.PredictionSets(clusterColumnName: "Patient").Fit(View(rows))
            .Append(decisions.Abstain(clusterColumnName: "Patient").Fit(View(rows)));
        IDataView without = _mlContext.Transforms.DropColumns("Patient").Fit(View(rows)).Transform(View(rows));
        using var stream = new MemoryStream();
        _mlContext.Model.Save(fitted, without.Schema, stream);
        IDataView loaded = new MLContext().Model.Load(stream, out _).Transform(without);
        CollectionAssert.AreEqual(fitted.Transform(View(rows)).GetColumn<int>("PredictionSetSize").ToArray(),
            loaded.GetColumn<int>("PredictionSetSize").ToArray());
        CollectionAssert.AreEqual(fitted.Transform(View(rows)).GetColumn<bool>("Accepted").ToArray(),
            loaded.GetColumn<bool>("Accepted").ToArray());
    }

    private IDataView View(IEnumerable<Row> rows) => _mlContext.Data.LoadFromEnumerable(rows.ToArray());

    private sealed class Row
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [];

        public string Patient { get; set; } = "";

        public float Real { get; set; }

        public static Row Of(int patient, uint label, float ofFirst) =>
            new() { Patient = $"p{patient}", Real = patient, Label = label, Score = [ofFirst, 1 - ofFirst] };
    }
}
