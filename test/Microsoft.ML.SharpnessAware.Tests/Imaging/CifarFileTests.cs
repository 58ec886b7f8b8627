using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class CifarFileTests
{
    private readonly MLContext _context = new(1);
    private string _folder = "";

    [TestInitialize]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("cifar").FullName;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void FilesOfCifar10FollowOneAnother()
    {
        IDataView data = _context.Data.LoadImagesFromCifar(Write("1.bin", Record(1, 9), Record(2, 0)), Write("2.bin", Record(3, 5)));
        CollectionAssert.AreEqual(new[] { "9", "0", "5" }, data.GetColumn<string>("Label").ToArray());
        byte[][] images = [.. data.GetColumn<byte[]>("Image")];
        CollectionAssert.AreEqual(Record(2, 0)[1..], images[1]);
        CollectionAssert.AreEqual(new[] { 3, 32, 32 }, ((VectorDataViewType)data.Schema["Image"].Type).Dimensions.ToArray());
    }

    [TestMethod]
    public void Cifar100GivesItsFineLabels()
    {
        IDataView data = _context.Data.LoadImagesFromCifar(Write("train.bin", Record(1, 19, 99), Record(2, 3, 42)));
        CollectionAssert.AreEqual(new[] { "99", "42" }, data.GetColumn<string>("Label").ToArray());
        CollectionAssert.AreEqual(Record(2, 3, 42)[2..], data.GetColumn<byte[]>("Image").Last());
    }

    [TestMethod]
    public void ALengthThatSuitsBothIsDecidedByTheLabels()
    {
        byte[] ten = new byte[3073 * 3074];
        Assert.AreEqual(3074, _context.Data.LoadImagesFromCifar(Write("ten.bin", ten)).GetRowCount());

        byte[] hundred = new byte[3073 * 3074];
        hundred[3074] = 15; // second coarse label; as CIFAR-10 it is a pixel
        hundred[3073] = 200; // last pixel of the first image; as CIFAR-10 the second label
        Assert.AreEqual(3073, _context.Data.LoadImagesFromCifar(Write("hundred.bin", hundred)).GetRowCount());
    }

    [TestMethod]
    public void OtherFilesAreNamedWithWhatIsWrong()
    {
        AssertBad("3073 (CIFAR-10) or 3074 (CIFAR-100)", Write("bad", new byte[5000]));
        AssertBad("its 0 bytes", Write("bad", []));
        AssertBad("its 3072 bytes", Write("bad", Record(1, 1)[1..]));
        AssertBad("labels that CIFAR-10 does not have", Write("bad", Record(1, 10)));
        AssertBad("labels that CIFAR-100 does not have", Write("bad", Record(1, 20, 5)));
        AssertBad("it is of CIFAR-100", Write("good", Record(1, 1)), Write("bad", Record(1, 1, 1)));
        Assert.ThrowsExactly<ArgumentException>(() => _context.Data.LoadImagesFromCifar());
        Assert.ThrowsExactly<FileNotFoundException>(() => _context.Data.LoadImagesFromCifar(Path.Combine(_folder, "none")));
    }

    private static byte[] Record(int seed, params byte[] labels)
    {
        byte[] pixels = new byte[3072];
        new Random(seed).NextBytes(pixels);
        return [.. labels, .. pixels];
    }

    private string Write(string name, params byte[][] records)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, [.. records.SelectMany(record => record)]);
        return path;
    }

    private void AssertBad(string reason, params string[] paths)
    {
        string message = Assert.ThrowsExactly<InvalidDataException>(() => _context.Data.LoadImagesFromCifar(paths)).Message;
        StringAssert.Contains(message, Path.Combine(_folder, "bad"));
        StringAssert.Contains(message, reason);
    }
}
