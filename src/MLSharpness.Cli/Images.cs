using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace MLSharpness.Cli;

/// <summary>Images of a folder that has one sub-folder for each class, with the label as a key.</summary>
internal static class Images
{
    public static IDataView Load(MLContext mlContext, string folder) => mlContext.Data.LoadImagesFromFolder(folder);

    /// <summary>The same to train on: of two classes or more. An archive with the folders train and test is named in the place of the
    /// first, and its classes lie a folder deeper.</summary>
    /// <exception cref="InvalidDataException">There is one class.</exception>
    public static IDataView LoadClasses(MLContext mlContext, string folder)
    {
        IDataView images = Load(mlContext, folder);
        string[] classes = [.. images.GetColumn<ReadOnlyMemory<char>>(images.Schema["Label"]).Select(label => $"{label}").Distinct()];
        if (classes is not [string only])
            return images;
        string deeper = Path.Combine(folder, only);
        throw new InvalidDataException($"All pictures of '{folder}' lie in its folder '{only}', which makes one class. " +
            (Directory.EnumerateDirectories(deeper).Any()
                ? $"If the classes are the folders in that one, name it: {deeper}"
                : "Put the pictures of each class into a folder of its own beside it."));
    }

    /// <summary>Images to train on and images to test on, neither without any.</summary>
    public static DataOperationsCatalog.TrainTestData Split(MLContext mlContext, IDataView images, double testShare)
    {
        DataOperationsCatalog.TrainTestData split = mlContext.Data.TrainTestSplit(images, testShare);
        int training = Count(split.TrainSet), test = Count(split.TestSet);
        if (training == 0 || test == 0)
        {
            throw new InvalidDataException(
                $"--test {testShare} of {training + test} images leaves none to {(test == 0 ? "test" : "train")} on. Give " +
                    $"{(test == 0 ? "a larger" : "a smaller")} share.");
        }

        return split;
    }

    /// <summary>How many there are; reads their paths, not the images.</summary>
    public static int Count(IDataView view) => view.GetColumn<ReadOnlyMemory<char>>(view.Schema["ImagePath"]).Count();

    /// <summary>Label to key, in the order of the names.</summary>
    public static IEstimator<ITransformer> LabelsToKeys(MLContext mlContext) =>
        mlContext.Transforms.Conversion.MapValueToKey("Label", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue);
}
