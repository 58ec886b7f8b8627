using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The images of a folder and all folders in it as data, with labels from their paths; a file is read when its row's Image is
/// asked for.</summary>
internal static class ImageFolder
{
    private const int MaxNames = 20;

    public static IDataView Load(IHostEnvironment environment, string folder, Func<string, string?> labelFrom)
    {
        IHost host = environment.Register(nameof(ImageFolder));
        using IChannel channel = host.Start("List images");
        FolderListing.Image[] images = List(channel, folder, labelFrom);
        return new IndexedDataView(
            host, images.Length, IndexedDataView.Text("Label", row => images[row].Label.AsMemory()),
            IndexedDataView.Text("ImagePath", row => images[row].File.AsMemory()),
            IndexedDataView.Bytes("Image", new(NumberDataViewType.Byte), (row, ref value) => Read(images[row].File, ref value)));
    }

    private static FolderListing.Image[] List(IChannel channel, string folder, Func<string, string?> labelFrom)
    {
        var listing = new FolderListing(folder, labelFrom);
        string root = listing.Root;
        if (listing.WithoutName.Count > 0)
        {
            throw new InvalidDataException(
                $"{listing.WithoutName.Count} names in the image folder '{root}' are not UTF-8, so .NET cannot open what they name: " +
                $"{Names(listing.WithoutName)}. Rename them, for example by \"convmv -f latin1 -t utf8 -r --notest '{root}'\", or move " +
                    "them elsewhere.");
        }

        if (listing.Images.Count == 0)
        {
            bool mayBeAClass = listing.Foreign.Any(name => FolderListing.Extensions.Contains(Path.GetExtension(name)));
            throw new InvalidDataException(
                $"The image folder '{root}' has no images ({string.Join(", ", FolderListing.Extensions)}) with a label. A label is the " +
                    "name of the sub-folder that an image lies in, unless labelFrom says otherwise." +
                (mayBeAClass ? " If this folder is a class itself, name the folder that it lies in." : "") +
                (listing.Foreign.Count > 0 ? $" Left out: {Names(listing.Foreign)}." : ""));
        }

        Warn(listing.Foreign, "files of", "are not images of a class and are left out");
        Warn(listing.Repeated, "links of", "lead to what is listed already, or to a folder that it lies in, and are left out");
        Warn(listing.EmptyFolders(), "folders of", "have no images, so they are not classes");
        if (AlikeLabels(listing.Images) is { Count: > 0 } alike)
            channel.Warning($"Some labels of '{root}' differ only in case, spaces or the code of an accent, and make classes of their " +
                $"own: {Names(alike)}");
        return [.. listing.Images.OrderBy(image => image.Label, StringComparer.Ordinal)
            .ThenBy(image => image.Path, StringComparer.Ordinal)];

        void Warn(IReadOnlyList<string> names, string what, string why)
        {
            if (names.Count > 0)
                channel.Warning($"{names.Count} {what} '{root}' {why}: {Names(names)}");
        }
    }

    /// <summary>
    /// Pipes, sockets, devices and what the system makes up on the spot say that they have no bytes, and to open or read them may wait for
    /// ever: they count as empty files.
    /// </summary>
    private static void Read(string path, ref VBuffer<byte> value)
    {
        FileSystemInfo target = File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path);
        if (target is FileInfo { Exists: true, Length: 0 })
        {
            value = VBufferEditor.Create(ref value, 0).Commit();
            return;
        }

        using SafeFileHandle file = File.OpenHandle(path, options: FileOptions.SequentialScan);
        long length = RandomAccess.GetLength(file);
        if (length > Array.MaxLength)
            throw new IOException($"The {length} bytes of '{path}' are more than an image has.");
        VBufferEditor<byte> editor = VBufferEditor.Create(ref value, (int)length);
        int read, done = 0;
        while (done < length && (read = RandomAccess.Read(file, editor.Values[done..], done)) > 0)
            done += read;
        if (done < length)
            throw new IOException($"The file '{path}' became shorter while it was read.");
        value = editor.Commit();
    }

    /// <summary>Groups of labels that a human takes for one, each group as text.</summary>
    private static List<string> AlikeLabels(IEnumerable<FolderListing.Image> images) =>
    [
        .. images.Select(image => image.Label).Distinct().Order(StringComparer.Ordinal).GroupBy(Simplified)
            .Where(group => group.Count() > 1)
            .Select(group => string.Join(", ", group.Select(label => $"'{label}'"))),
    ];

    private static string Simplified(string label)
    {
        string valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(label)); // Normalize throws for half a surrogate pair
        return valid.Normalize(NormalizationForm.FormC).Trim().ToUpperInvariant();
    }

    private static string Names(IReadOnlyList<string> all) => string.Join(", ", all.Take(MaxNames)) + (all.Count > MaxNames ? ", …" : "");
}
