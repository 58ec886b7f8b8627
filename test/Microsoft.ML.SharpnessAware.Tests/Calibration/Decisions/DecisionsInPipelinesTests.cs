using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>A decision that is fitted on the rows of its model promises nothing, and a warning says so.</summary>
[TestClass]
public sealed class DecisionsInPipelinesTests
{
    private readonly MLContext _mlContext = new(1);
    private readonly List<string> _warnings = [];

    [TestInitialize]
    public void Listen() => _mlContext.Log += (_, log) =>
    {
        if (log.Kind == ChannelMessageKind.Warning && log.RawMessage.Contains("in the same pipeline", StringComparison.Ordinal))
            _warnings.Add(log.RawMessage);
    };

    private MulticlassDecisionsCatalog Decisions => _mlContext.MulticlassClassification.Decisions;

    private MulticlassCalibratorsCatalog Calibrators => _mlContext.MulticlassClassification.Calibrators;

    private IEstimator<ITransformer>[] Each => [Decisions.PredictionSets(0.95), Decisions.Abstain(0.8)];

    [TestMethod]
    public void ADecisionInThePipelineOfItsModelWarns()
    {
        IDataView data = Examples.Data(_mlContext, 300);
        IEstimator<ITransformer> trainer = _mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy();
        foreach (IEstimator<ITransformer> before in new[] { trainer, Calibrators.HeldOut(trainer, Calibrators.Temperature()),
            Calibrators.CrossFitted(trainer, Calibrators.Temperature()),
            _mlContext.Transforms.NormalizeMinMax("Features").Append(trainer) })
        {
            foreach (IEstimator<ITransformer> decision in Each)
            {
                IEstimator<ITransformer> pipeline = before.Append(decision);
                for (int fit = 0; fit < 2; fit++)
                {
                    pipeline.Fit(data);
                    Assert.HasCount(1, _warnings);
                    StringAssert.Contains(_warnings[0],
                        decision is IEstimator<PredictionSetTransformer> ? "Prediction sets" : "Abstention");
                    _warnings.Clear();
                }
            }
        }

        foreach (IEstimator<ITransformer> decision in Each)
        {
            _mlContext.MulticlassClassification.CrossValidate(data, trainer.Append(decision), 3);
            Assert.HasCount(3, _warnings);
            _warnings.Clear();
        }
    }

    /// <summary>A chain in a chain asks for its columns again, after the training.</summary>
    [TestMethod]
    public void AStepInAPipelineWithinThePipelineOfItsModelWarns()
    {
        IDataView data = Examples.Data(_mlContext, 300);
        IEstimator<ITransformer> trainer = _mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy();
        IEstimator<ITransformer> copy = _mlContext.Transforms.CopyColumns("Copy", "Score");
        foreach (IEstimator<ITransformer> step in Each.Append(Calibrators.Temperature()))
        {
            IEstimator<ITransformer> once = step.Append(copy), twice = copy.Append(once.Append(copy));
            foreach (IEstimator<ITransformer> nested in new[] { once, twice })
            {
                IEstimator<ITransformer> pipeline = trainer.Append(nested);
                for (int fit = 0; fit < 2; fit++)
                    pipeline.Fit(data);
                Assert.HasCount(2, _warnings);
                _mlContext.MulticlassClassification.CrossValidate(data, pipeline, 3);
                Assert.HasCount(2 + 3, _warnings);
                Calibrators.CrossFitted(pipeline, Calibrators.Temperature(), 3).Fit(data);
                Assert.HasCount(2 + 3 + 4, _warnings);

                // What came before is no reason to warn of what comes after.
                IDataView scored = trainer.Fit(data).Transform(data);
                step.Fit(scored);
                once.Fit(scored);
                twice.Fit(scored);
                Assert.HasCount(2 + 3 + 4, _warnings);
                _warnings.Clear();
            }
        }
    }

    /// <summary>A pipeline that only told its columns, or that failed, is not one that the step is fitted in later.</summary>
    [TestMethod]
    public void APipelineThatNeverCameToItsStepIsForgotten()
    {
        IDataView data = Examples.Data(_mlContext, 300);
        IEstimator<ITransformer> trainer = _mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy();
        foreach (IEstimator<ITransformer> step in Each.Append(Calibrators.Temperature()))
        {
            IEstimator<ITransformer> chain = new EstimatorChain<ITransformer>().Append(step);
            IEstimator<ITransformer> nested = new EstimatorChain<ITransformer>().Append(chain);
            IEstimator<ITransformer> failing = trainer.Append(new Failing()).Append(nested);
            foreach (IEstimator<ITransformer> later in new[] { step, chain, nested })
            {
                trainer.Append(nested).GetOutputSchema(SchemaShape.Create(data.Schema));
                later.Fit(trainer.Fit(data).Transform(data));
                Assert.ThrowsExactly<NotSupportedException>(() => failing.Fit(data));
                later.Fit(trainer.Fit(data).Transform(data));
            }
        }

        Assert.IsEmpty(_warnings);
    }

    [TestMethod]
    public void ADecisionOnOtherRowsDoesNot()
    {
        IDataView data = Examples.Data(_mlContext, 300), others = Examples.Data(_mlContext, 300, seed: 7);
        ITransformer model = _mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(data);
        IDataView scored = model.Transform(others);
        foreach (IEstimator<ITransformer> decision in Each)
        {
            decision.Fit(scored);
            new EstimatorChain<ITransformer>().Append(decision).Fit(scored);
            _mlContext.Transforms.Conversion.MapValueToKey("Class", "Name").Append(decision).Fit(scored);
            Calibrators.Vector().Append(decision).Fit(scored);
            _mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Append(decision);
            decision.Fit(scored);
        }

        Assert.IsEmpty(_warnings);
    }

    /// <summary>The trainers of Microsoft.ML.TorchSharp call it so.</summary>
    [TestMethod]
    public void ATrainerThatCallsItsWorkTrainModelIsNoticedToo()
    {
        IDataView scored = Examples.Scored(_mlContext, 300);
        foreach (IEstimator<ITransformer> step in Each.Append(Calibrators.Temperature()))
        {
            new EstimatorChain<ITransformer>().Append(new LikeTorchSharp(_mlContext)).Append(step).Fit(scored);
            Assert.HasCount(1, _warnings);
            _warnings.Clear();
        }
    }

    private sealed class Failing : IEstimator<ITransformer>
    {
        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inputSchema;

        public ITransformer Fit(IDataView input) => throw new NotSupportedException();
    }

    private sealed class LikeTorchSharp(IHostEnvironment environment) : IEstimator<ITransformer>
    {
        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inputSchema;

        public ITransformer Fit(IDataView input)
        {
            using IChannel channel = environment.Register("Trainer").Start("TrainModel");
            return new TransformerChain<ITransformer>();
        }
    }
}
