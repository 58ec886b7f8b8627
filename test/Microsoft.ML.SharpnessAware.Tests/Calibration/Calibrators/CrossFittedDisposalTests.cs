using System.Text;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>What the models of the parts hold is freed, but not what the estimator gives each of them.</summary>
[TestClass]
public sealed class CrossFittedDisposalTests
{
    private readonly MLContext _mlContext = new(1);

    private MulticlassCalibratorsCatalog Calibrators => _mlContext.MulticlassClassification.Calibrators;

    private IEstimator<ITransformer> Trainer(string features) =>
        _mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy("Label", features);

    /// <summary>ApplyOnnxModel's estimator gives the same transformer, with the same session, each time.</summary>
    [TestMethod]
    public void ANetworkInThePipelineIsAliveToTheEnd()
    {
        IDataView data = Examples.Data(_mlContext, 200);
        using var folder = new TemporaryFolder();
        string path = folder.File("net.onnx");
        IDataView features = _mlContext.Data.LoadFromEnumerable(data.GetColumn<float[]>("Features").Select(row => new Input
        { Features = row }).ToArray());
        using var bytes = new MemoryStream();
        _mlContext.Model.ConvertToOnnx(_mlContext.Transforms.NormalizeMinMax("Scaled", "Features").Fit(features), features, bytes);
        // a name that ApplyOnnxModel does not cut short, of the same length
        string net = Encoding.Latin1.GetString(bytes.ToArray()).Replace("Scaled.output", "Scaled_output", StringComparison.Ordinal);
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes(net));
        IEstimator<ITransformer> network = _mlContext.Transforms.ApplyOnnxModel(["Scaled_output"], ["Features"], path);

        using TransformerChain<MulticlassCalibratorTransformer> model = Calibrators.CrossFitted(
            network.Append(Trainer("Scaled_output")), Calibrators.Temperature()).Fit(data);

        Assert.IsGreaterThan(0.7, _mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(data)).Accuracy);
    }

    [TestMethod]
    public void OnlyWhatIsOfOnePartAloneIsFreed()
    {
        IDataView data = Examples.Data(_mlContext, 200);
        var shared = new Counted(always: new Held());
        var own = new Counted(always: null);
        IEstimator<ITransformer> inner = new EstimatorChain<ITransformer>().Append(shared).Append(own);
        TransformerChain<MulticlassCalibratorTransformer> model = Calibrators.CrossFitted(
            inner.Append(new Counted(shared.Given[0])).Append(Trainer("Features")), Calibrators.Temperature(), numberOfFolds: 4).Fit(data);

        Assert.AreEqual(0, shared.Given[0].Disposals);
        Assert.HasCount(5, own.Given);
        Assert.IsTrue(own.Given[..4].All(held => held.Disposals == 1));
        Assert.AreEqual(0, own.Given[4].Disposals);
        model.Dispose();
        Assert.AreEqual(1, own.Given[4].Disposals);
    }

    /// <summary>No more than two models are held at a time.</summary>
    [TestMethod]
    public void APartIsFreedBeforeTheNextButOneIsTrained()
    {
        var own = new Counted(always: null);
        int most = 0;
        own.Giving = () => most = Math.Max(most, own.Given.Count(held => held.Disposals == 0));
        Calibrators.CrossFitted(new EstimatorChain<ITransformer>().Append(own).Append(Trainer("Features")), Calibrators.Temperature(),
            numberOfFolds: 4).Fit(Examples.Data(_mlContext, 200));
        Assert.AreEqual(1, most);
    }

    /// <summary>Whichever step fails: training or scoring a part, or the model of all rows, or the calibrator.</summary>
    [TestMethod]
    [DataRow(2, 0)]
    [DataRow(4, 0)]
    [DataRow(5, 0)]
    [DataRow(0, 1)]
    [DataRow(0, 2)]
    [DataRow(0, 4)]
    [DataRow(0, 5)]
    public void WhereAStepFailsWhatWasTrainedIsFreed(int failsAtFit, int failsAtTransform)
    {
        var shared = new Counted(always: new Held());
        var own = new Counted(always: null);
        own.Giving = () =>
        {
            if (own.Given.Count + 1 == failsAtFit)
                throw new InvalidDataException("fit");
            if (own.Given.Count + 1 == failsAtTransform)
                own.FailsNext = true;
        };
        IEstimator<ITransformer> trained = new EstimatorChain<ITransformer>().Append(own).Append(shared).Append(Trainer("Features"));

        Assert.ThrowsExactly<InvalidDataException>(() => Calibrators.CrossFitted(
            trained, Calibrators.Temperature(), numberOfFolds: 4).Fit(Examples.Data(_mlContext, 200)));

        Assert.IsTrue(own.Given.TrueForAll(held => held.Disposals == 1), string.Join(", ", own.Given.Select(held => held.Disposals)));
        Assert.AreEqual(0, shared.Given[0].Disposals);
    }

    [TestMethod]
    public void WhereTheCalibratorFailsTheModelBeforeItIsFreed()
    {
        var shared = new Counted(always: new Held());
        var own = new Counted(always: null);
        own.Giving = () => own.FailsNext = true;

        Assert.ThrowsExactly<InvalidDataException>(() => Calibrators.HeldOut(
            new EstimatorChain<ITransformer>().Append(shared).Append(Trainer("Features")).Append(own), Calibrators.Temperature())
            .Fit(Examples.Data(_mlContext, 200)));

        Assert.AreEqual(1, own.Given.Single().Disposals);
        Assert.AreEqual(0, shared.Given[0].Disposals);
    }

    private sealed class Input
    {
        [VectorType(2)]
        public float[] Features { get; set; } = [];
    }

    /// <summary>Gives a new transformer each time, or always the same.</summary>
    private sealed class Counted(Held? always) : IEstimator<ITransformer>
    {
        public List<Held> Given { get; } = always is null ? [] : [always];

        public Action? Giving { get; set; }

        public bool FailsNext { get; set; }

        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inputSchema;

        public ITransformer Fit(IDataView input)
        {
            Giving?.Invoke();
            if (always is not null)
                return always;
            Given.Add(new Held { Fails = FailsNext });
            return Given[^1];
        }
    }

    private sealed class Held : ITransformer, IDisposable
    {
        private int _transformed;

        /// <summary>Whether it can score no more rows after those that the rest of its pipeline is trained on.</summary>
        public bool Fails { get; init; }

        public int Disposals { get; private set; }

        public bool IsRowToRowMapper => false;

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => inputSchema;

        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => throw new NotSupportedException();

        public IDataView Transform(IDataView input)
        {
            ObjectDisposedException.ThrowIf(Disposals > 0, this);
            return Fails && ++_transformed > 1 ? throw new InvalidDataException("transform") : input;
        }

        public void Dispose() => Disposals++;

        void ICanSaveModel.Save(ModelSaveContext ctx) => throw new NotSupportedException();
    }
}
