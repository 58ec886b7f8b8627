using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class PredictionSetTests
{
    private static readonly string[] ClassNames = ["a", "b", "c"];

    private readonly MLContext _mlContext = new(1);
    private readonly List<string> _warnings = [];

    [TestInitialize]
    public void Listen() => _mlContext.CollectWarnings(_warnings);

    private MulticlassDecisionsCatalog Decisions => _mlContext.MulticlassClassification.Decisions;

    [TestMethod]
    public void TheEstimatorKeepsItsPromises()
    {
        foreach (PredictionSetScore score in Enum.GetValues<PredictionSetScore>())
        {
            foreach (IDataView data in new[] { Examples.Scored(_mlContext, 90), Examples.Scored(_mlContext, 90, "Number"),
                Examples.Scored(_mlContext, 90, "Key"), ScoredRows.Confused(90).View(_mlContext, predictedLabel: true) })
                EstimatorConformance.Check(_mlContext, Decisions.PredictionSets(0.8, score, perClass: true), data,
                    _mlContext.Data.LoadFromEnumerable([new Unusable()]));
        }
    }

    [TestMethod]
    public void SetsAreKeysWithNamesAndSurviveSavingAndAnEngine()
    {
        IDataView data = Examples.Data(_mlContext, 300);
        ITransformer model = _mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(data);
        ITransformer deciding = model.Append(Decisions.PredictionSets(0.9, seed: 3)
            .Fit(model.Transform(Examples.Data(_mlContext, 400, seed: 4))))
            .Append(_mlContext.Transforms.Conversion.MapKeyToValue("Names", "PredictionSet").Fit(
                Decisions.PredictionSets(0.9).Fit(model.Transform(data)).Transform(model.Transform(data))));
        Decided[] expected = Rows(deciding);
        foreach (Decided row in expected)
        {
            Assert.HasCount(row.PredictionSetSize, row.PredictionSet);
            CollectionAssert.IsSubsetOf(row.Names, Examples.Names);
            float[] ofSet = [.. row.PredictionSet.Select(key => row.Score[key - 1])];
            CollectionAssert.AreEqual(ofSet.OrderDescending().ToArray(), ofSet);
        }

        Assert.IsTrue(expected.Any(row => row.PredictionSetSize == 1) && expected.Any(row => row.PredictionSetSize > 1));
        using var stream = new MemoryStream();
        _mlContext.Model.Save(deciding, data.Schema, stream);
        Decided[] loaded = Rows(new MLContext().Model.Load(stream, out _));
        var engine = _mlContext.Model.CreatePredictionEngine<Point, Decided>(deciding);
        float[][] features = [.. data.GetColumn<float[]>("Features")];
        for (int row = 0; row < expected.Length; row++)
        {
            CollectionAssert.AreEqual(expected[row].PredictionSet, loaded[row].PredictionSet);
            CollectionAssert.AreEqual(expected[row].PredictionSet, engine.Predict(new Point { Features = features[row] }).PredictionSet);
        }

        Decided[] Rows(ITransformer transformer) => [.. _mlContext.Data.CreateEnumerable<Decided>(
            transformer.Transform(data), reuseRowObject: false)];
    }

    /// <summary>What docs/decisions.md says of them.</summary>
    [TestMethod]
    [DataRow(PredictionSetScore.LeastAmbiguous, false)]
    [DataRow(PredictionSetScore.Adaptive, true)]
    public void EmptySetsAreOfUndecidedRowsOrOfSureOnes(PredictionSetScore score, bool sure)
    {
        IDataView data = ScoredRows.Drawn(3000, new[,] { { 3.0, 0, 0 }, { 0, 3, 0 }, { 0, 0, 3 } }, [0, 0, 0]).View(_mlContext);
        PredictionSetTransformer sets = Decisions.PredictionSets(0.7, score).Fit(data);
        float[] ofEmpty = [.. sets.Transform(data).GetColumn<int>("PredictionSetSize").Zip(data.GetColumn<float[]>("Score"))
            .Where(row => row.First == 0).Select(row => row.Second.Max())];
        Assert.IsGreaterThan(100, ofEmpty.Length);
        double limit = sets.Thresholds[0];
        Assert.IsTrue(ofEmpty.All(largest => sure ? largest > limit : largest < 1 - limit));
    }

    [TestMethod]
    public void TooFewRowsMakeEverySetAllClassesWithAWarning()
    {
        IDataView data = ScoredRows.Confused(8).View(_mlContext);
        PredictionSetTransformer sets = Decisions.PredictionSets(0.9).Fit(data);
        Assert.HasCount(1, _warnings);
        StringAssert.Contains(_warnings[0], "8 row(s) cannot promise a coverage of 90 %: it takes at least 9");
        Assert.IsTrue(sets.Transform(data).GetColumn<int>("PredictionSetSize").All(size => size == 3));
        Assert.AreEqual(double.PositiveInfinity, sets.Thresholds.Single());
    }

    /// <summary>Four rows: sets {a}, {b, a}, {} and {c}; right are the first, the second and none.</summary>
    [TestMethod]
    public void MeasuresByHand()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(
        [
            // LoadFromEnumerable counts a single key from 0, keys in a vector from 1.
            new Made { Label = 0, PredictionSet = [1] }, new Made { Label = 0, PredictionSet = [2, 1] },
                new Made { Label = 1, PredictionSet = [] },
            new Made { Label = 1, PredictionSet = [3] }, new Made { Label = 9, PredictionSet = [1] },
        ]);
        PredictionSetMetrics metrics = _mlContext.MulticlassClassification.EvaluatePredictionSets(data);
        Assert.AreEqual(4, metrics.Count);
        Assert.AreEqual(1, metrics.SkippedRows);
        Assert.AreEqual(.5, metrics.Coverage);
        Assert.AreEqual(BinomialTail.Interval(2, 4), metrics.CoverageInterval);
        Assert.AreEqual(1.0, metrics.MeanSize);
        Assert.AreEqual(.5, metrics.SingleShare);
        Assert.AreEqual(.25, metrics.EmptyShare);
        Assert.AreEqual(1.0, metrics.PerClass[0].Coverage.Estimate);
        Assert.AreEqual(0.0, metrics.PerClass[1].Coverage.Estimate);
        Assert.AreEqual(0, metrics.PerClass[2].Count);
        CollectionAssert.AreEqual(new[] { (0, 1L), (1, 2L), (2, 1L) }, metrics.PerSize.Select(item => (item.Size, item.Count)).ToArray());
        Assert.AreEqual(.5, metrics.LargestClassGap);
        Assert.AreEqual(.5, metrics.LargestSizeGap);
        StringAssert.Contains(metrics.ToString(), "mean size 1.00, single 50.0 %, empty 25.0 %");
    }

    /// <summary>With so few rows a set is all classes, however many there are.</summary>
    [TestMethod]
    public void LargeSetsAreCountedAsLargeAsTheyAre()
    {
        const int Classes = 5_000;
        float[] scores = new float[Classes];
        Array.Fill(scores, 1f / Classes);
        IDataView data = NamedScores.View(_mlContext, Classes, Classes, (1, scores), (Classes, scores));
        PredictionSetMetrics metrics = _mlContext.MulticlassClassification.EvaluatePredictionSets(
            Decisions.PredictionSets(0.9).Fit(data).Transform(data));
        Assert.AreEqual(5_000.0, metrics.MeanSize);
        Assert.AreEqual((5_000, 2L), metrics.PerSize.Select(item => (item.Size, item.Count)).Single());
        Assert.AreEqual(1.0, metrics.Coverage);
    }

    /// <summary>Three single sets that are right and an empty one: it is a gap of its class, and says nothing of sets of one
    /// size.</summary>
    [TestMethod]
    public void AnEmptySetIsNoSizeToBeUnevenIn()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(
        [
            new Made { Label = 0, PredictionSet = [1] }, new Made { Label = 0, PredictionSet = [1] },
            new Made { Label = 1, PredictionSet = [2] }, new Made { Label = 1, PredictionSet = [] },
        ]);
        PredictionSetMetrics metrics = _mlContext.MulticlassClassification.EvaluatePredictionSets(data);
        Assert.AreEqual(.25, metrics.LargestSizeGap);
        Assert.AreEqual(.25, metrics.LargestClassGap);
    }

    [TestMethod]
    public void MeasuredCoverageIsThatOfTheSets()
    {
        IDataView sets = Decisions.PredictionSets(0.8, PredictionSetScore.RegularizedAdaptive)
            .Fit(ScoredRows.Drawn(2000, Weights, [0, 0, 0]).View(_mlContext, names: true))
            .Transform(ScoredRows.Drawn(2000, Weights, [0, 0, 0], seed: 2).View(_mlContext, names: true));
        PredictionSetMetrics metrics = _mlContext.MulticlassClassification.EvaluatePredictionSets(sets);
        Assert.AreEqual(.8, metrics.Coverage, .035);
        Assert.IsTrue(metrics.CoverageInterval.Lower < metrics.Coverage && metrics.Coverage < metrics.CoverageInterval.Upper);
        Assert.AreEqual("c0", metrics.PerClass[0].ClassName);
    }

    [TestMethod]
    public void LogitsAreTakenWhereThatIsSaid()
    {
        ScoredRows rows = ScoredRows.Confused(200);
        ScoredRows logits = rows with { Scores = [.. rows.Scores.Select(p => MathF.Log(p) + 5)] };
        int[] expected = [.. Decisions.PredictionSets(0.8, PredictionSetScore.LeastAmbiguous).Fit(rows.View(_mlContext))
            .Transform(rows.View(_mlContext)).GetColumn<int>("PredictionSetSize")];
        int[] actual = [.. Decisions.PredictionSets(0.8, PredictionSetScore.LeastAmbiguous, scoreKind: ScoreKind.Logits)
            .Fit(logits.View(_mlContext))
            .Transform(logits.View(_mlContext)).GetColumn<int>("PredictionSetSize")];
        Assert.IsLessThan(3, expected.Zip(actual).Count(pair => pair.First != pair.Second));       // rounding at the threshold
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Decisions.PredictionSets().Fit(logits.View(_mlContext)))
            .Message, "ScoreKind.Logits");
    }

    [TestMethod]
    public void BadInputIsNamed()
    {
        foreach (double coverage in new[] { 0, 1, -.1, double.NaN })
            Assert.AreEqual("coverage", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Decisions.PredictionSets(coverage))
                .ParamName);
        Assert.AreEqual("accuracy", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Decisions.Abstain(1)).ParamName);
        Assert.AreEqual("confidence", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Decisions.Abstain(.9, 0)).ParamName);

        IDataView none = _mlContext.Data.SkipRows(ScoredRows.Confused(5).View(_mlContext), 5);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Decisions.PredictionSets().Fit(none)).Message,
            "no rows");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => Decisions.Abstain().Fit(ScoredRows.Of(2, (-1, [.5f, .5f])).View(_mlContext))).Message,
                "None of the 1 row(s) has a known label");
        IDataView withNaN = ScoredRows.Of(2, (0, [.8f, .2f]), (1, [float.NaN, .2f])).View(_mlContext);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Decisions.PredictionSets().Fit(withNaN)).Message,
            "row 1 (counted from 0)");

        PredictionSetTransformer sets = Decisions.PredictionSets(.8).Fit(Examples.Scored(_mlContext, 60));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => sets.Transform(ScoredRows.Confused(5).View(_mlContext, names: true))).Message, "has the class 'c0', which is none of");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => sets.Transform(ScoredRows.Of(2, (0, [1, 0])).View(_mlContext))).Message,
                "has 2 scores, but the decision was fitted on 3");

        IDataView decided = sets.Transform(Examples.Scored(_mlContext, 60));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            _mlContext.MulticlassClassification.EvaluatePredictionSets(
            _mlContext.Transforms.Conversion.MapKeyToValue("PredictionSet").Fit(decided).Transform(decided))).Message,
                "Evaluate before MapKeyToValue");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            _mlContext.MulticlassClassification.EvaluatePredictionSets(
            decided, predictionSetColumnName: "Missing")).Message, "'Missing'");
    }

    /// <summary>ML.NET reads many rows on several threads, and wraps what they throw.</summary>
    [TestMethod]
    public void ARowThatCannotBeDecidedIsNamedWhicheverThreadReadsIt()
    {
        ScoredRows rows = ScoredRows.Confused(5000);
        IDataView good = rows.View(_mlContext);
        float[] scores = [.. rows.Scores];
        scores[3 * 4321 + 1] = float.NaN;
        IDataView bad = (rows with { Scores = scores }).View(_mlContext);
        foreach ((ITransformer decision, string column) in new (ITransformer, string)[]
            { (Decisions.PredictionSets(.8).Fit(good), "PredictionSetSize"), (Decisions.Abstain(.5).Fit(good), "Accepted") })
        {
            IDataView decided = decision.Transform(bad);
            Exception exception = Assert.ThrowsExactly<InvalidOperationException>(() =>
            {
                using DataViewRowCursor cursor = decided.GetRowCursor([decided.Schema[column]]);
                Action read = column == "Accepted" ? Reader<bool>(cursor, column) : Reader<int>(cursor, column);
                while (cursor.MoveNext())
                    read();
            });
            StringAssert.Contains(exception.GetBaseException().Message, "row 4321 (counted from 0)");
        }

        static Action Reader<T>(DataViewRowCursor cursor, string column)
        {
            ValueGetter<T> get = cursor.GetGetter<T>(cursor.Schema[column]);
            T value = default!;
            return () => get(ref value);
        }
    }

    /// <summary>A model that has the same classes in another order gets the same sets by name, each class by its own threshold.</summary>
    [TestMethod]
    public void ClassesInAnotherOrderAreMatchedByName()
    {
        ScoredRows rows = ScoredRows.Drawn(900, new[,] { { 1, 0, 0 }, { 0, .3, 0 }, { 0, 0, 2.0 } }, [0, 0, 0]);
        PredictionSetTransformer sets = Decisions.PredictionSets(.8, PredictionSetScore.LeastAmbiguous, perClass: true)
            .Fit(View(0, 1, 2));
        string[][] expected = Names(sets.Transform(View(0, 1, 2))), actual = Names(sets.Transform(View(2, 0, 1)));
        Assert.IsGreaterThan(2, sets.Thresholds.Distinct().Count());
        for (int row = 0; row < expected.Length; row++)
            CollectionAssert.AreEqual(expected[row], actual[row], $"row {row}");

        // The label has its keys in the order a, b, c, whatever that of the sets is.
        PredictionSetMetrics inOrder = Measure(0, 1, 2), inAnother = Measure(2, 0, 1);
        Assert.AreEqual(inOrder.CoverageInterval, inAnother.CoverageInterval);
        CollectionAssert.AreEqual(inOrder.PerClass.ToArray(), inAnother.PerClass.OrderBy(one => one.ClassName).ToArray());
        Assert.AreEqual("c", inAnother.PerClass[0].ClassName);
        CollectionAssert.AreEqual(new[] { 2, 0, 1 }.Select(k => inOrder.FittedRows[k]).ToArray(), inAnother.FittedRows);

        PredictionSetMetrics Measure(params int[] order) =>
            _mlContext.MulticlassClassification.EvaluatePredictionSets(sets.Transform(View(order)));

        IDataView View(params int[] order) => NamedScores.View(_mlContext, ClassNames, order.Select(k => ClassNames[k]).ToArray(),
            [.. Enumerable.Range(0, rows.Count).Select(i => ((uint)rows.Labels[i] + 1, order.Select(k => rows.Row(i)[k]).ToArray()))]);

        string[][] Names(IDataView data) => [.. _mlContext.Transforms.Conversion.MapKeyToValue("Names", "PredictionSet").Fit(data)
            .Transform(data).GetColumn<string[]>("Names")];
    }

    /// <summary>They say how much chance there is in the coverage, class by class; what the first version saved does not tell it.</summary>
    [TestMethod]
    public void TheRowsOfEachThresholdAreSavedWithTheSets()
    {
        ScoredRows rows = ScoredRows.Drawn(900, new[,] { { 1, 0, 0 }, { 0, .3, 0 }, { 0, 0, 2.0 } }, [0, 0, -5]);
        IDataView data = rows.View(_mlContext);
        foreach (bool perClass in new[] { false, true })
        {
            PredictionSetTransformer sets = Decisions.PredictionSets(.99, perClass: perClass).Fit(data);
            double[] ofClass = [.. Enumerable.Range(0, 3).Select(k => (double)rows.Labels.Count(label => label == k))];
            Assert.IsTrue(ofClass[0] > 99 && ofClass[1] > 99 && ofClass[2] < 99);
            double[] expected = perClass ? [ofClass[0], ofClass[1], 0] : [900];
            CollectionAssert.AreEqual(expected, Fitted(sets));
            CollectionAssert.AreEqual(expected, Fitted(Saved(sets)));
            var old = (PredictionSetTransformer)Saved(new PredictionSetTransformer(_mlContext, sets.Columns,
                sets.Kind with { DrawsByAllBits = true }, sets.CoverageAsked, sets.ThresholdArray, 3, sets.FittedRows, [], sets.Classes));
            Assert.IsTrue(old.Kind.DrawsByAllBits, "sets of an earlier version stay what they were");
            Assert.IsFalse(((PredictionSetTransformer)Saved(sets)).Kind.DrawsByAllBits);
            Assert.AreEqual(900, old.FittedRows);
            CollectionAssert.AreEqual(sets.ThresholdArray, old.ThresholdArray);
            CollectionAssert.AreEqual(perClass ? [] : expected, Fitted(old));
        }

        double[] Fitted(ITransformer sets) =>
            DecisionAnnotations.FindVector(sets.Transform(data).Schema["PredictionSet"], DecisionAnnotations.FittedRows);

        ITransformer Saved(ITransformer sets)
        {
            using var stream = new MemoryStream();
            _mlContext.Model.Save(sets, data.Schema, stream);
            ITransformer loaded = new MLContext().Model.Load(stream, out _);
            return loaded is TransformerChain<ITransformer> chain ? chain.Single() : loaded;
        }
    }

    /// <summary>A fox label in data whose sets know cat and dog only.</summary>
    [TestMethod]
    public void SetsOfOtherClassesThanTheLabelAreRefused()
    {
        IDataView sets = Decisions.PredictionSets(.8).Fit(Examples.Scored(_mlContext, 60)).Transform(Examples.Scored(_mlContext, 60));
        IDataView other = _mlContext.Transforms.CustomMapping<Named,
            Other>((input, output) => output.Animal = input.Name == "left" ? "fox" : input.Name, null)
            .Append(_mlContext.Transforms.Conversion.MapValueToKey("Label", "Animal")).Fit(sets).Transform(sets);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _mlContext.MulticlassClassification.EvaluatePredictionSets(other)).Message, "has the class 'fox'");
    }

    [TestMethod]
    public void ADamagedFileIsRefused()
    {
        IDataView data = Examples.Scored(_mlContext, 60);
        using var stream = new MemoryStream();
        _mlContext.Model.Save(Decisions.PredictionSets(.8).Fit(data), data.Schema, stream);
        foreach (object[] content in new object[][] { [(byte)9], [(byte)0, "L", "S", "O", (byte)9],
            [(byte)0, "L", "S", "O", (byte)0, 1, 5L],
            [(byte)0, (byte)0xFF, (byte)0xFF, (byte)0xFF, (byte)0xFF, (byte)0x0F] })     // a text of negative length
        {
            using var bytes = new MemoryStream();
            using var writer = new BinaryWriter(bytes);
            foreach (object value in content)
            {
                switch (value)
                {
                    case byte b: writer.Write(b); break;
                    case string s: writer.Write(s); break;
                    case int i: writer.Write(i); break;
                    case long l: writer.Write(l); break;
                }
            }

            writer.Write(new byte[40]);
            bytes.Position = 0;
            Assert.ThrowsExactly<FormatException>(() => DecisionFile.Read((IHostEnvironment)_mlContext, new BinaryReader(bytes)));
        }
    }

    private static double[,] Weights => new[,] { { .6, 0, 0 }, { 0, .6, 0 }, { 0, 0, .6 } };

    private sealed class Named
    {
        public string Name { get; set; } = "";
    }

    private sealed class Other
    {
        public string Animal { get; set; } = "";
    }

    private sealed class Made
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [KeyType(3)]
        public uint[] PredictionSet { get; set; } = [];
    }

    private sealed class Point
    {
        [VectorType(2)]
        public float[] Features { get; set; } = [];

        [KeyType(3)]
        public uint Label { get; set; }

        public string Name { get; set; } = "";

        public int Number { get; set; }
    }

    private sealed class Decided
    {
        public float[] Score { get; set; } = [];

        public uint[] PredictionSet { get; set; } = [];

        public int PredictionSetSize { get; set; }

        public string[] Names { get; set; } = [];
    }

    private sealed class Unusable
    {
        [KeyType(3)]
        public uint Label { get; set; }

        public float Score { get; set; }
    }
}
