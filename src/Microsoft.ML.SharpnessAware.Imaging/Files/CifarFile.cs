using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads the binary files of CIFAR-10 (records of a label and 3 × 32 × 32 bytes) and CIFAR-100 (a coarse label, a fine one, and the bytes).
/// The length of a file tells which it is; a length that suits both is decided by whether every label is one that CIFAR-10 has.
/// </summary>
internal static class CifarFile
{
    private const int PixelBytes = 3 * 32 * 32;

    public static IDataView Load(IHostEnvironment environment, IReadOnlyList<string> paths)
    {
        if (paths.Count == 0)
            throw new ArgumentException("Name at least one file.", nameof(paths));

        var images = new List<ReadOnlyMemory<byte>>();
        var labels = new List<byte>();
        int? labelBytes = null;
        foreach (string path in paths)
        {
            if (new FileInfo(path) is { Exists: true } info && info.Length > Array.MaxLength)
                throw Error(path, $"its {info.Length} bytes are more than the {Array.MaxLength} that are read");
            byte[] file = File.ReadAllBytes(path);
            int found = LabelBytes(path, file);
            if (found != (labelBytes ??= found))
                throw Error(path, $"it is of {Name(found)}, '{paths[0]}' of {Name(labelBytes.Value)}; load them one by one");
            for (int start = 0; start < file.Length; start += found + PixelBytes)
            {
                labels.Add(file[start + found - 1]);
                images.Add(file.AsMemory(start + found, PixelBytes));
            }
        }

        return PixelDataView.Create(environment, new ImageShape(3, 32, 32), images, labels);
    }

    private static int LabelBytes(string path, byte[] file)
    {
        int[] candidates = [.. new[] { 1, 2 }.Where(labels => file.Length > 0 && file.Length % (labels + PixelBytes) == 0)];
        if (candidates.Length == 0)
        {
            throw Error(path,
                $"its {file.Length} bytes are not whole records of 3073 (CIFAR-10) or 3074 (CIFAR-100) bytes: truncated or another format");
        }

        return candidates.FirstOrDefault(labels => HasOnlyKnownLabels(file, labels)) is > 0 and int found
            ? found
            : throw Error(path, $"it has labels that {string.Join(" or ", candidates.Select(Name))} does not have: damaged?");
    }

    private static bool HasOnlyKnownLabels(byte[] file, int labelBytes)
    {
        for (int start = 0; start < file.Length; start += labelBytes + PixelBytes)
        {
            if (labelBytes == 1 ? file[start] > 9 : file[start] > 19 || file[start + 1] > 99)
                return false;
        }

        return true;
    }

    private static string Name(int labelBytes) => labelBytes == 1 ? "CIFAR-10" : "CIFAR-100";

    private static InvalidDataException Error(string path, string reason) => new($"'{path}' cannot be read as CIFAR: {reason}.");
}
