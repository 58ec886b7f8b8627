using Microsoft.ML;

namespace Quickstart;

/// <summary>Training and test images from the files of this sample or from a folder of the user's.</summary>
internal static class ImageData
{
    /// <summary>So few that a network can fit them all, which is when it becomes overconfident; and a run ends within minutes.</summary>
    public const int DefaultImages = 2500;

    /// <summary>Without a folder: the part of Fashion-MNIST that lies beside this program.</summary>
    public static (IDataView Training, IDataView Test) Load(MLContext mlContext, string? folder, int? trainingImages)
    {
        (IDataView training, IDataView test) = folder is null
            ? LoadIdx(mlContext, Path.Combine(AppContext.BaseDirectory, "Data"))
            : FindIdx(folder, "train-images") is not null ? LoadIdx(mlContext, folder) : LoadFolder(mlContext, folder);
        if ((trainingImages ?? (folder is null ? DefaultImages : null)) is int count)
            training = mlContext.Data.TakeRows(training, count);
        return (training, test);
    }

    private static (IDataView Training, IDataView Test) LoadIdx(MLContext mlContext, string folder) => (
        mlContext.Data.LoadImagesFromIdx(RequireIdx(folder, "train-images"), RequireIdx(folder, "train-labels")),
        mlContext.Data.LoadImagesFromIdx(RequireIdx(folder, "t10k-images"), RequireIdx(folder, "t10k-labels")));

    // Files come class by class; shuffled, the first n are of every class.
    private static (IDataView Training, IDataView Test) LoadFolder(MLContext mlContext, string folder)
    {
        var split = mlContext.Data.TrainTestSplit(mlContext.Data.LoadImagesFromFolder(folder), testFraction: 0.2);
        return (mlContext.Data.ShuffleRows(split.TrainSet, shuffleSource: false, shufflePoolSize: 10_000), split.TestSet);
    }

    private static string? FindIdx(string folder, string prefix) =>
        Directory.Exists(folder) ? Directory.EnumerateFiles(folder, prefix + "*").FirstOrDefault() : null;

    private static string RequireIdx(string folder, string prefix) =>
        FindIdx(folder, prefix) ?? throw new FileNotFoundException($"Folder '{folder}' has IDX files, but none that starts with {prefix}.");
}
