using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>What is kept of a row is a few numbers, and not its scores: here 400 bytes.</summary>
[TestClass]
public sealed class MemoryPerRowTests
{
    private const int Classes = 100;
    private const int Rows = 20_000;

    // Lists that grow are copied, so that what is allocated is up to four times what is kept.
    private const double MostBytes = 80;

    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    [DataRow("sets of least ambiguous classes")]
    [DataRow("adaptive sets")]
    [DataRow("regularised sets")]
    [DataRow("sets by class")]
    [DataRow("abstention")]
    [DataRow("evaluating")]
    [DataRow("evaluating by group")]
    [DataRow("applying sets")]
    [DataRow("evaluating sets")]
    [DataRow("evaluating abstention")]
    public void FittingAndEvaluatingTakeAFewBytesARow(string what)
    {
        MulticlassClassificationCatalog catalog = _mlContext.MulticlassClassification;
        IDataView few = View(500);
        ITransformer sets = catalog.Decisions.PredictionSets(.9).Fit(few), abstain = catalog.Decisions.Abstain(.1).Fit(few);
        Action<IDataView> action = what switch
        {
            "sets of least ambiguous classes" => data => catalog.Decisions.PredictionSets(.9, PredictionSetScore.LeastAmbiguous).Fit(data),
            "adaptive sets" => data => catalog.Decisions.PredictionSets(.9).Fit(data),
            "regularised sets" => data => catalog.Decisions.PredictionSets(.9, PredictionSetScore.RegularizedAdaptive).Fit(data),
            "sets by class" => data => catalog.Decisions.PredictionSets(.9, perClass: true).Fit(data),
            "abstention" => data => catalog.Decisions.Abstain(.9).Fit(data),
            "evaluating" => data => catalog.EvaluateCalibration(data),
            "evaluating by group" => data => catalog.EvaluateCalibration(data, groupColumnName: "Group"),
            "applying sets" => data => Assert.IsGreaterThan(0, sets.Transform(data).GetColumn<int>("PredictionSetSize").Sum()),
            "evaluating sets" => data => catalog.EvaluatePredictionSets(sets.Transform(data)),
            _ => data => catalog.EvaluateAbstention(abstain.Transform(data)),
        };
        action(few);        // what is made once, code among it

        // Twice the rows, less once: what does not grow with them falls out.
        double bytes = (Allocated(2 * Rows) - Allocated(Rows)) / (double)Rows;

        Assert.IsLessThan(MostBytes, bytes);

        long Allocated(int rows)
        {
            IDataView data = View(rows);
            long before = GC.GetTotalAllocatedBytes(precise: true);
            action(data);
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }
    }

    /// <summary>In memory, where reading takes none: LoadFromEnumerable takes some for each key.</summary>
    private IDataView View(int rows)
    {
        var random = new Random(1);
        float[][] scores = [.. Enumerable.Range(0, 50).Select(_ =>
        {
            float[] row = [.. Enumerable.Range(0, Classes).Select(_ => MathF.Pow(random.NextSingle(), 8))];
            float sum = row.Sum();
            return row.Select(score => score / sum).ToArray();
        })];
        var builder = new ArrayDataViewBuilder(_mlContext);
        builder.AddColumn("Label", new KeyDataViewType(typeof(uint), Classes), [.. Enumerable.Range(0, rows)
            .Select(i => (uint)(1 + i * 7L % Classes))]);
        builder.AddColumn("Score", NumberDataViewType.Single, [.. Enumerable.Range(0, rows).Select(i => scores[i % scores.Length])]);
        builder.AddColumn("Group", NumberDataViewType.Int32, [.. Enumerable.Range(0, rows).Select(i => i % 3)]);
        return builder.GetDataView();
    }
}
