using TorchSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

internal static class TrainProgram
{
    /// <summary>Trains with a checkpoint after every step. Prints a line when the images are there, and one after each epoch.</summary>
    public static void Run(string checkpoint, string weights)
    {
        torch.set_num_threads(1);
        var mlContext = new MLContext(seed: 1);
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.Method = SharpnessAwareMethod.Csam();
        options.BatchSize = 8;
        options.Epoch = 60;
        options.Augmentation = Augmentation.Standard;
        options.EarlyStoppingCriteria = new EarlyStopping(Patience: 1000);
        options.CheckpointPath = checkpoint;
        options.CheckpointSteps = 1;
        options.MetricsCallback = epoch => Console.WriteLine($"epoch {epoch.Epoch}");
        IDataView data = Fitted.View(mlContext, Shapes.Pixels(72));
        var trainer = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);
        Console.WriteLine("ready");
        using SharpnessAwareImageClassificationTransformer model = trainer.Fit(data);
        model.SaveWeights(weights);
    }
}
