using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Evidence.Data;

/// <summary>The data sets. Each is read once.</summary>
internal sealed class DataFolder(string folder)
{
    private readonly Dictionary<string, ImageSet> _loaded = [];

    /// <summary>The first images of Fashion-MNIST's training part, the ones after them for validation, and (the first of) its test
    /// part.</summary>
    public ImageSplit Fashion(int training, int validation, int test = 10_000)
    {
        ImageSet all = Idx(Path.Combine(folder, "fashion-mnist"), "train");
        return new(all.Range(0, training), all.Range(training, validation), Idx(Path.Combine(folder, "fashion-mnist"), "t10k")
            .Range(0, test));
    }

    /// <summary>The part of Fashion-MNIST that is shipped with the Quickstart.</summary>
    public ImageSplit Shipped(int training, int validation, int test)
    {
        string shipped = Path.Combine(AppContext.BaseDirectory, "Data");
        ImageSet all = Idx(shipped, "train");
        return new(all.Range(0, training), all.Range(training, validation), Idx(shipped, "t10k").Range(0, test));
    }

    /// <summary>
    /// The photographs of the Sign Language Digits in colour, 60 % to train on, 10 % for validation, 30 % to test on. Ten
    /// pictures in a row are of one student, as far as file numbers tell, and all pictures of a student are on the same side.
    /// </summary>
    /// <param name="side">The size they are brought to; most have 100.</param>
    public ImageSplit SignDigits(int side = 32)
    {
        const int PicturesOfAStudent = 10;
        string pictures = Path.Combine(folder, "sign-language-digits", "Dataset");
        Require(Directory.Exists(pictures), pictures, "Sign Language Digits (github.com/ardamavi/Sign-Language-Digits-Dataset)");
        (ImageSet all, IReadOnlyList<string> paths) = Folder(pictures, side);
        int[] students = [.. paths.Select(path => Number(path) / PicturesOfAStudent)];
        int[] order = [.. students.Distinct().Order()];
        new Random(1).Shuffle(order);
        Dictionary<int, double> place = order.Select((student, i) => (student, i))
            .ToDictionary(p => p.student, p => p.i / (double)order.Length);
        ImageSet Part(double from, double to) => all.Choose(
            Enumerable.Range(0, all.Count).Where(row => place[students[row]] >= from && place[students[row]] < to));
        return new(Part(0, 0.6), Part(0.6, 0.7), Part(0.7, 1));
    }

    /// <summary>CIFAR-10 in its binary format, or a part of it; the last tenth of the training images is for validation.</summary>
    /// <param name="name">The folder.</param>
    public ImageSplit Cifar10(string name = "cifar10")
    {
        string cifar = Path.Combine(folder, name);
        string[] batches = [.. Enumerable.Range(1, 5).Select(i => Path.Combine(cifar, $"data_batch_{i}.bin"))];
        Require(File.Exists(batches[0]), batches[0], "CIFAR-10 (binary version, cs.toronto.edu/~kriz/cifar.html)");
        ImageSet all = Cached(cifar + "/train", () => Read(new MLContext().Data.LoadImagesFromCifar(batches), new(3, 32, 32)));
        ImageSet test = Cached(cifar + "/test", () =>
            Read(new MLContext().Data.LoadImagesFromCifar(Path.Combine(cifar, "test_batch.bin")), new(3, 32, 32)));
        int validation = all.Count / 10;
        return new(all.Range(0, all.Count - validation), all.Range(all.Count - validation, validation), test);
    }

    /// <summary>The pictures of <see cref="Cifar10"/> where they are, else those of a part of it beside them.</summary>
    public ImageSplit AnyCifar10() =>
        Cifar10(Directory.Exists(Path.Combine(folder, "cifar10")) ? "cifar10" : "cifar10-lossless-subset");

    private ImageSet Idx(string idx, string part) => Cached(idx + part, () =>
    {
        Require(Directory.Exists(idx), idx, "Fashion-MNIST (github.com/zalandoresearch/fashion-mnist)");
        string File(string kind) => Directory.EnumerateFiles(idx, $"{part}-{kind}*").FirstOrDefault()
            ?? throw new FileNotFoundException($"Folder '{idx}' has no file {part}-{kind}….");
        return Read(new MLContext().Data.LoadImagesFromIdx(File("images"), File("labels")), new(1, 28, 28));
    });

    private ImageSet Cached(string name, Func<ImageSet> read)
    {
        lock (_loaded)
            return _loaded.TryGetValue(name, out ImageSet? images) ? images : _loaded[name] = read();
    }

    private static ImageSet Read(IDataView view, ImageShape shape)
    {
        byte[][] images = [.. view.GetColumn<byte[]>("Image")];
        int[] labels = [.. view.GetColumn<string>("Label").Select(int.Parse)];
        return new(shape, images, labels, labels.Max() + 1);
    }

    private static (ImageSet Images, IReadOnlyList<string> Paths) Folder(string pictures, int side)
    {
        var mlContext = new MLContext();
        IDataView files = mlContext.Data.LoadImagesFromFolder(pictures);
        IDataView keys = mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(files).Transform(files);
        using ImageDataset data = ImageDataset.Load(keys, "Image", "Label", new ImageRequest(side, side, 3));
        int length = data.Shape.ValueCount;
        byte[][] images = new byte[data.Count][];
        for (int row = 0; row < images.Length; row++)
        {
            using TorchSharp.torch.Tensor pixels = data.Batch(row, 1).contiguous();
            images[row] = pixels.bytes[..length].ToArray();
        }
        return (new(data.Shape, images, data.LabelArray(), data.NumberOfClasses), [.. files.GetColumn<string>("ImagePath")]);
    }

    private static int Number(string path) => int.Parse(string.Concat(Path.GetFileName(path).Where(char.IsAsciiDigit)));

    private static void Require(bool there, string path, string what)
    {
        if (!there)
            throw new FileNotFoundException($"'{path}' is missing. Download {what}, and name the folder above with --data.");
    }
}
