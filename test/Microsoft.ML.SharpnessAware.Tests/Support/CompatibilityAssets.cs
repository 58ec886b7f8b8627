using System.Text.Json;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The files that later versions must read to the same scores, and how they were made.</summary>
internal static class CompatibilityAssets
{
    public const string ModelFile = "model.zip", CheckpointFile = "training.ckpt", ScoresFile = "scores.json";

    public const int Epochs = 15;

    private const string Arch = "CompatibilityAssets";

    /// <summary>The network of the files; small, since they are kept in the repository.</summary>
    public static void RegisterNetwork() => NetworkArchitecture.Register(Arch, classes => nn.Sequential(
        ("conv", nn.Conv2d(3, 12, 4)), ("bn", nn.BatchNorm2d(12)), ("relu", nn.ReLU()), ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()), ("dropout", nn.Dropout(0.1)), ("fc", nn.Linear(12, classes))));

    /// <summary>
    /// Writes a model followed by one calibrator of each sort, a checkpoint of a training with one epoch to go, and the scores: of
    /// the model and after each calibrator, of the checkpoint's best model, and of the training's end.
    /// </summary>
    public static void Write(string folder)
    {
        set_num_threads(1);
        RegisterNetwork();
        var mlContext = new MLContext(seed: 1);
        IDataView data = Rows(mlContext), training = TrainingRows(mlContext);
        SharpnessAwareImageClassificationTransformer model = Trainer(mlContext).Fit(training);
        var chain = new TransformerChain<ITransformer>(model);
        var calibrators = mlContext.MulticlassClassification.Calibrators;
        foreach (IEstimator<ITransformer> calibrator in new IEstimator<ITransformer>[]
            { calibrators.Temperature(), calibrators.Vector(), calibrators.Dirichlet(), calibrators.Isotonic() })
            chain = chain.Append(calibrator.Fit(chain.Transform(training)));
        Directory.CreateDirectory(folder);
        mlContext.Model.SaveAtomically(chain, data.Schema, Path.Combine(folder, ModelFile));

        string checkpoint = Path.Combine(folder, CheckpointFile);
        File.Delete(checkpoint);
        using var cancellation = new CancellationTokenSource();
        try
        {
            Trainer(mlContext, checkpoint, epoch =>
            {
                if (epoch.Epoch == Epochs - 1)
                    cancellation.Cancel();
            }, cancellation.Token).Fit(training);
        }
        catch (OperationCanceledException)
        {
        }
        File.Delete(checkpoint + ".previous");
        using SharpnessAwareImageClassificationTransformer best = Trainer(mlContext, checkpoint).BestFromCheckpoint();

        File.WriteAllText(Path.Combine(folder, ScoresFile), JsonSerializer.Serialize(new Expected
        {
            OfEachTransformer = [.. ScoresOfEach(mlContext, chain)],
            OfTheBestModel = Fitted.Scores(mlContext, best.Transform(data)),
            OfTheTrainingsEnd = Fitted.Scores(mlContext, model.Transform(data)),
        }));
        model.Dispose();
    }

    /// <summary>The scores after each of a chain's transformers.</summary>
    public static IEnumerable<float[][]> ScoresOfEach(MLContext mlContext, TransformerChain<ITransformer> chain)
    {
        IDataView view = Rows(mlContext);
        foreach (ITransformer transformer in chain)
        {
            view = transformer.Transform(view);
            yield return Fitted.Scores(mlContext, view);
        }
    }

    public static SharpnessAwareImageClassificationTrainer Trainer(
        MLContext mlContext, string? checkpoint = null, Action<EpochMetrics>? metricsCallback = null, CancellationToken cancellationToken =
            default,
        Action<SharpnessAwareImageClassificationTrainer.Options>? change = null)
    {
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            Arch = Arch,
            Method = SharpnessAwareMethod.Csam(),
            Epoch = Epochs,
            BatchSize = 8,
            LearningRate = 0.05,
            ImageWidth = 10,
            ImageHeight = 8,
            ImageChannels = 3,
            Resizing = ResizingKind.IsoCrop,
            Augmentation = Augmentation.Standard,
            Seed = 5,
            Device = "cpu",
            CheckpointPath = checkpoint,
            MetricsCallback = metricsCallback,
            CancellationToken = cancellationToken,
        };
        change?.Invoke(options);
        return mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);
    }

    /// <summary>Images with some wrong labels, so that there is something to calibrate.</summary>
    public static IDataView TrainingRows(MLContext mlContext)
    {
        List<EncodedRow> rows = Shapes.Encoded(90, seed: 20);
        for (int i = 0; i < rows.Count; i += 7)
            rows[i].Label = Shapes.Names[(i + 1) % 3];
        return Fitted.View(mlContext, rows);
    }

    public static IDataView Rows(MLContext mlContext) => Fitted.View(mlContext, Shapes.Encoded(12, seed: 21));

    /// <summary>What the files gave when they were written.</summary>
    public sealed class Expected
    {
        public required float[][][] OfEachTransformer { get; init; }

        public required float[][] OfTheBestModel { get; init; }

        public required float[][] OfTheTrainingsEnd { get; init; }
    }
}
