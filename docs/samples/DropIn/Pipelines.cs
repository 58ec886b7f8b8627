using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

namespace DropInSample;

/// <summary>Two ways from pictures to a classifier, on the same pretrained network.</summary>
internal static class Pipelines
{
    /// <summary>ML.NET's own: features by its ResNet-18 package, then maximum entropy.</summary>
    public static IEstimator<ITransformer> MLNet(MLContext mlContext) => mlContext.Transforms.Conversion.MapValueToKey("Label")
        .Append(mlContext.Transforms.LoadImages("Bitmap", imageFolder: "", nameof(Picture.ImagePath)))
        .Append(mlContext.Transforms.ResizeImages("Bitmap", 224, 224))
        .Append(mlContext.Transforms.ExtractPixels("Pixels", "Bitmap"))
        .Append(mlContext.Transforms.DnnFeaturizeImage("Features", input =>
            input.ModelSelector.ResNet18(mlContext, input.OutputColumn, input.InputColumn), "Pixels"))
        .Append(mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy());

    /// <summary>This library's, with nothing but the column's name, unless the head is to be trained alone.</summary>
    public static IEstimator<ITransformer> SharpnessAware(MLContext mlContext, bool headOnly) =>
        mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(
                new SharpnessAwareImageClassificationTrainer.Options
                {
                    FeatureColumnName = nameof(Picture.Image),
                    FineTuning = headOnly ? FineTuning.HeadOnly : FineTuning.Auto,
                }));
}
