using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace SignDigitsSample;

public partial class SignDigits
{
    /// <summary>
    /// Permutation feature importance: how much accuracy is lost when a feature's values are dealt out to other rows. An image model has
    /// one feature, the image, so this is how far the model is above chance.
    /// </summary>
    /// <returns>The feature and the accuracy it is worth.</returns>
    public static List<Tuple<string, double>> CalculatePFI(MLContext mlContext, IDataView trainData, ITransformer model,
        string labelColumnName)
    {
        List<ModelInput> rows = [.. mlContext.Data.CreateEnumerable<ModelInput>(trainData, reuseRowObject: false)];
        byte[][] images = [.. rows.Select(row => row.ImageSource)];
        new Random(0).Shuffle(images);
        IDataView permuted = mlContext.Data.LoadFromEnumerable(rows.Zip(images, (row, image) =>
            new ModelInput { Label = row.Label, ImageSource = image }));

        double accuracy = Evaluate(mlContext, trainData, model, labelColumnName).MicroAccuracy;
        return [Tuple.Create("ImageSource", accuracy - Evaluate(mlContext, permuted, model, labelColumnName).MicroAccuracy)];
    }

    /// <summary>ML.NET's own metrics.</summary>
    public static MulticlassClassificationMetrics Evaluate(MLContext mlContext, IDataView data, ITransformer model,
        string labelColumnName) =>
        mlContext.MulticlassClassification.Evaluate(model.Transform(data), labelColumnName);

    /// <summary>How far the probabilities can be trusted.</summary>
    public static MulticlassCalibrationMetrics EvaluateCalibration(MLContext mlContext, IDataView data, ITransformer model,
        string labelColumnName) =>
        mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(data), labelColumnName);
}
