using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Keys may be bytes, and integers of 16 and of 64 bits: everything is what it is for the usual ones of 32.</summary>
[TestClass]
public sealed class KeyTypesTests
{
    private const int Classes = 3;

    private readonly MLContext _mlContext = new(seed: 1);

    private MulticlassClassificationCatalog Catalog => _mlContext.MulticlassClassification;

    [TestMethod]
    [DataRow("Byte")]
    [DataRow("Short")]
    [DataRow("Long")]
    public void CalibratorsAndTheirMeasuresTakeThem(string label)
    {
        IDataView data = View();
        Assert.AreEqual(Catalog.EvaluateCalibration(data).ToString(), Catalog.EvaluateCalibration(data, label).ToString());
        foreach (Func<string, MulticlassCalibratorEstimator> calibrator in Calibrators)
            AssertSame(calibrator("Label").Fit(data).Transform(data), calibrator(label).Fit(data).Transform(data));

        IEstimator<ITransformer> trainer = Catalog.Trainers.LbfgsMaximumEntropy();
        foreach (Func<MulticlassCalibratorEstimator, IEstimator<ITransformer>> around in
            new Func<MulticlassCalibratorEstimator, IEstimator<ITransformer>>[]
            {
                calibrator => Catalog.Calibrators.HeldOut(trainer, calibrator),
                calibrator => Catalog.Calibrators.CrossFitted(trainer, calibrator, numberOfFolds: 3),
            })
            AssertSame(around(Catalog.Calibrators.Vector()).Fit(data).Transform(data),
                around(Catalog.Calibrators.Vector(label)).Fit(data).Transform(data));

        static void AssertSame(IDataView expected, IDataView actual)
        {
            foreach ((float[] e, float[] a) in expected.GetColumn<float[]>("Score").Zip(actual.GetColumn<float[]>("Score")))
                CollectionAssert.AreEqual(e, a);
        }
    }

    [TestMethod]
    [DataRow("Byte")]
    [DataRow("Short")]
    [DataRow("Long")]
    public void DecisionsAndTheirMeasuresTakeThem(string label)
    {
        IDataView data = View();
        foreach (PredictionSetScore score in Enum.GetValues<PredictionSetScore>())
        {
            IDataView usual = Catalog.Decisions.PredictionSets(.8, score, perClass: true).Fit(data).Transform(data);
            IDataView other = Catalog.Decisions.PredictionSets(.8, score, perClass: true, labelColumnName: label).Fit(data).Transform(data);
            foreach ((uint[] expected, uint[] actual) in usual.GetColumn<uint[]>("PredictionSet")
                .Zip(other.GetColumn<uint[]>("PredictionSet")))
                CollectionAssert.AreEqual(expected, actual);
            Assert.AreEqual(Catalog.EvaluatePredictionSets(usual).ToString(), Catalog.EvaluatePredictionSets(other, label).ToString());
        }

        AbstentionTransformer abstain = Catalog.Decisions.Abstain(.6).Fit(data);
        Assert.AreEqual(abstain.Threshold, Catalog.Decisions.Abstain(.6, labelColumnName: label).Fit(data).Threshold);
        IDataView decided = abstain.Transform(data);
        Assert.AreEqual(Catalog.EvaluateAbstention(decided).ToString(), Catalog.EvaluateAbstention(decided, label).ToString());
    }

    /// <summary>Sets of such keys, as another transform may make them.</summary>
    [TestMethod]
    [DataRow("ByteSet")]
    [DataRow("ShortSet")]
    [DataRow("LongSet")]
    public void SetsOfThemAreMeasured(string set)
    {
        IDataView data = View();
        Assert.AreEqual(Catalog.EvaluatePredictionSets(data, predictionSetColumnName: "UsualSet").ToString(),
            Catalog.EvaluatePredictionSets(data, predictionSetColumnName: set).ToString());
        Assert.AreEqual(Catalog.EvaluatePredictionSets(data, predictionSetColumnName: "UsualSet").ToString(),
            Catalog.EvaluatePredictionSets(data, "Byte", set).ToString());
    }

    private IEnumerable<Func<string, MulticlassCalibratorEstimator>> Calibrators =>
    [
        label => Catalog.Calibrators.Temperature(label), label => Catalog.Calibrators.Vector(label),
        label => Catalog.Calibrators.Isotonic(label), label => Catalog.Calibrators.Dirichlet(label),
        label => Catalog.Calibrators.StructuredMatrix(label),
    ];

    private IDataView View()
    {
        ScoredRows rows = ScoredRows.Confused(300);
        float[][] scores = [.. Enumerable.Range(0, rows.Count).Select(rows.Row)];
        uint[] keys = [.. rows.Labels.Select((label, i) => i % 20 == 7 ? 0 : (uint)label + 1)];       // 0 is a missing label
        uint[][] sets = [.. keys.Select((_, i) =>
            Enumerable.Range(1, Classes).Where(k => (i + k) % 3 != 0).Select(k => (uint)k).ToArray())];
        var builder = new ArrayDataViewBuilder(_mlContext);
        builder.AddColumn("Score", NumberDataViewType.Single, scores);
        builder.AddColumn("Features", NumberDataViewType.Single, scores);
        Add("Label", "UsualSet", key => key);
        Add("Byte", "ByteSet", key => (byte)key);
        Add("Short", "ShortSet", key => (ushort)key);
        Add("Long", "LongSet", key => (ulong)key);
        return builder.GetDataView();

        void Add<T>(string label, string set, Converter<uint, T> convert)
        {
            var type = new KeyDataViewType(typeof(T), Classes);
            builder.AddColumn(label, type, Array.ConvertAll(keys, convert));
            builder.AddColumn(set, type, Array.ConvertAll(sets, of => Array.ConvertAll(of, convert)));
        }
    }
}
