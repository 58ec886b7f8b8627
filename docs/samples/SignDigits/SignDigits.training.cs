using Microsoft.ML;

namespace SignDigitsSample;

// Laid out as Model Builder lays out an image classification script. The one line that differs is the trainer's, in BuildPipeline.
public partial class SignDigits
{
    /// <summary>Trains a model on a folder that has one sub-folder of pictures for each class, and saves it.</summary>
    /// <param name="outputModelPath">Where the model goes.</param>
    /// <param name="inputDataFolder">The folder of the training images.</param>
    public static void Train(string outputModelPath, string inputDataFolder)
    {
        var mlContext = new MLContext();

        IDataView data = LoadImageFromFolder(mlContext, inputDataFolder);
        ITransformer model = RetrainModel(mlContext, data);
        SaveModel(mlContext, model, data, outputModelPath);
    }

    /// <summary>Loads the images of a folder: one sub-folder for each class.</summary>
    public static IDataView LoadImageFromFolder(MLContext mlContext, string folder)
    {
        var images = new List<ModelInput>();
        foreach (string directory in Directory.GetDirectories(folder).Order(StringComparer.Ordinal))
        {
            foreach (string path in Directory.GetFiles(directory).Order(StringComparer.Ordinal))
            {
                if (IsImage(path))
                    images.Add(new ModelInput { Label = Path.GetFileName(directory), ImageSource = File.ReadAllBytes(path) });
            }
        }

        return mlContext.Data.LoadFromEnumerable(images);
    }

    /// <summary>Whether a file is an image, by its name; folders also have files of the system in them.</summary>
    internal static bool IsImage(string path) =>
        new[] { ".png", ".jpg", ".jpeg", ".gif" }.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase);

    /// <summary>Trains the pipeline on the data.</summary>
    public static ITransformer RetrainModel(MLContext mlContext, IDataView trainData) => BuildPipeline(mlContext).Fit(trainData);

    /// <summary>Label to key, the trainer, the key of the prediction back to its name.</summary>
    public static IEstimator<ITransformer> BuildPipeline(MLContext mlContext) =>
        mlContext.Transforms.Conversion.MapValueToKey(outputColumnName: "Label", inputColumnName: "Label",
            addKeyValueAnnotationsAsText: false)
            .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(
                labelColumnName: "Label", scoreColumnName: "Score", featureColumnName: "ImageSource"))
            .Append(mlContext.Transforms.Conversion.MapKeyToValue(outputColumnName: "PredictedLabel", inputColumnName: "PredictedLabel"));

    /// <summary>Saves the model with the schema of the data that it takes.</summary>
    public static void SaveModel(MLContext mlContext, ITransformer model, IDataView data, string modelSavePath)
    {
        DataViewSchema dataViewSchema = data.Schema;
        using FileStream file = File.Create(modelSavePath);
        mlContext.Model.Save(model, dataViewSchema, file);
    }
}
