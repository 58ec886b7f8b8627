namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>The part of Fashion-MNIST that the Quickstart ships: 5,000 images to train on and 2,000 to test on.</summary>
internal static class FashionImages
{
    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Fashion");

    /// <summary>The first images, those after them, and the test images, with labels as keys.</summary>
    public static (IDataView Training, IDataView Validation, IDataView Test) Load(MLContext mlContext, int training, int validation)
    {
        IDataView all = Read("train");
        ITransformer key = mlContext.Transforms.Conversion
            .MapValueToKey("Label", keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue).Fit(all);
        IDataView keyed = key.Transform(all);
        return (
            mlContext.Data.TakeRows(keyed, training), mlContext.Data.TakeRows(mlContext.Data.SkipRows(keyed, training), validation),
            key.Transform(Read("t10k")));

        IDataView Read(string part) => mlContext.Data.LoadImagesFromIdx(
            Path.Combine(Folder, $"{part}-images-idx3-ubyte.gz"), Path.Combine(Folder, $"{part}-labels-idx1-ubyte.gz"));
    }
}
