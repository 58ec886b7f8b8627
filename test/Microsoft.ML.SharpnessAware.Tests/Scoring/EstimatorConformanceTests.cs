using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What ML.NET demands of every estimator of its own, recreated.</summary>
[TestClass]
public sealed class EstimatorConformanceTests
{
    private readonly MLContext _mlContext = new(1);

    [TestMethod]
    [DataRow("pixels")]
    [DataRow("encoded")]
    [DataRow("floats")]
    [DataRow("numbers as labels")]
    [DataRow("keys without values")]
    [DataRow("keys as values")]
    public void TheEstimatorKeepsItsPromises(string kind)
    {
        IDataView data = kind switch
        {
            "pixels" => Fitted.View(_mlContext, Shapes.Pixels(40)),
            "encoded" => Fitted.View(_mlContext, Shapes.Encoded(40)),
            "floats" => Fitted.View(_mlContext, Shapes.Floats(40)),
            "numbers as labels" => Fitted.View(_mlContext, Shapes.Pixels(40)
                .Select(row => new NumberedRow { Label = row.Number % 3, Image = row.Image })),
            "keys as values" => Fitted.Keys(_mlContext, Keyed()),
            _ => Keyed(),
        };
        IDataView unusable = Fitted.View(_mlContext, Shapes.Pixels(6)
            .Select(row => new WrongRow { Label = row.Label, Image = row.Number }));
        var trainer = _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Fitted.QuickOptions());

        EstimatorConformance.Check(_mlContext, trainer, data, unusable);
    }

    private IDataView Keyed() => _mlContext.Data.LoadFromEnumerable(Shapes.Pixels(40)
        .Select(row => new KeyedRow { Label = (uint)row.Number % 3, Image = row.Image }));

    private sealed class NumberedRow
    {
        public int Label { get; set; }

        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class KeyedRow
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];
    }

    private sealed class WrongRow
    {
        public string Label { get; set; } = "";

        public int Image { get; set; }
    }
}
