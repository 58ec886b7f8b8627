using Microsoft.ML;

namespace Quickstart;

/// <summary>Training and test images from the files of this sample or from a folder of the user's.</summary>
internal static class ImageData
{
    /// <summary>Without a folder: the part of Fashion-MNIST that lies beside this program.</summary>
    public static (IDataView Training, IDataView Test) Load(MLContext mlContext, string? folder)
    {
        folder ??= Path.Combine(AppContext.BaseDirectory, "Data");
        if (FindIdx(folder, "train-images") is string trainingImages)
        {
            return (
                mlContext.Data.LoadImagesFromIdx(trainingImages, RequireIdx(folder, "train-labels")),
                mlContext.Data.LoadImagesFromIdx(RequireIdx(folder, "t10k-images"), RequireIdx(folder, "t10k-labels")));
        }
        var split = mlContext.Data.TrainTestSplit(mlContext.Data.LoadImagesFromFolder(folder), testFraction: 0.2);
        return (split.TrainSet, split.TestSet);
    }

    private static string? FindIdx(string folder, string prefix) =>
        Directory.Exists(folder) ? Directory.EnumerateFiles(folder, prefix + "*").FirstOrDefault() : null;

    private static string RequireIdx(string folder, string prefix) =>
        FindIdx(folder, prefix) ?? throw new FileNotFoundException($"Folder '{folder}' has IDX files, but none that starts with {prefix}.");
}
