using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

// Nothing is random in it.
public sealed partial class FeaturizeImagesTests
{
    [TestMethod]
    public void TheSameWeightsGiveTheSameFileAndNobodysRandomNumbersAreTouched()
    {
        using DisposeScope scope = NewDisposeScope();
        IDataView data = MLContext.Data.LoadFromEnumerable(Shapes.Pixels(3));
        random.manual_seed(7);
        Tensor expected = rand(3);
        random.manual_seed(7);
        byte[] one = SavedWeights(data);
        Tensor actual = rand(3);

        byte[] other = SavedWeights(data);

        Assert.IsTrue(expected.equal(actual).all().item<bool>());
        CollectionAssert.AreEqual(one, other);
    }

    private static byte[] SavedWeights(IDataView data)
    {
        ITransformer model = Small().Fit(data);
        using var file = new MemoryStream();
        MLContext.Model.Save(model, data.Schema, file);
        ((IDisposable)model).Dispose();
        using var archive = new ZipArchive(file, ZipArchiveMode.Read);
        ZipArchiveEntry entry = archive.Entries.Single(entry => entry.FullName.EndsWith("weights.safetensors", StringComparison.Ordinal));
        using Stream content = entry.Open();
        using var bytes = new MemoryStream();
        content.CopyTo(bytes);
        return bytes.ToArray();
    }
}
