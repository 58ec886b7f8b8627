using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>A folder of JPEG files to pixels of a network's size, against ML.NET's LoadImages, ResizeImages and ExtractPixels.</summary>
internal static class PhotographBenchmark
{
    public static void Run()
    {
        Table table = new("JPEG files", "Ours, ms", "ML.NET, ms", "Ours / ML.NET");
        Compare(table, count: 200, width: 640, height: 480, side: 64);
        Compare(table, count: 200, width: 640, height: 480, side: 224);
        Compare(table, count: 40, width: 3000, height: 2000, side: 224);
    }

    private static void Compare(Table table, int count, int width, int height, int side)
    {
        using Photographs photographs = new(count, width, height);
        MLContext mlContext = new(seed: 1);
        IDataView images = mlContext.Data.LoadImagesFromFolder(photographs.Folder);
        IDataView keyed = mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(images).Transform(images);
        var pipeline = mlContext.Transforms.LoadImages("Loaded", photographs.Folder, "ImagePath")
            .Append(mlContext.Transforms.ResizeImages("Resized", side, side, "Loaded", ImageResizingEstimator.ResizingKind.Fill))
            .Append(mlContext.Transforms.ExtractPixels("Pixels", "Resized", outputAsFloatArray: false));
        ITransformer extract = pipeline.Fit(keyed);

        SideBySide times = SideBySide.Run(
            () => ImageDataset.Load(keyed, "Image", "Label", new ImageRequest(side, side, 3)).Dispose(),
            () => Consume(extract.Transform(keyed)),
            rounds: 9);
        table.Add($"{count} of {width}×{height} to {side}×{side}", $"{times.OursMilliseconds.Median:F0}",
            $"{times.TheirsMilliseconds.Median:F0}", times.Ratio.Text());
    }

    private static void Consume(IDataView view)
    {
        DataViewSchema.Column column = view.Schema["Pixels"];
        using DataViewRowCursor cursor = view.GetRowCursor([column, view.Schema["Label"]]);
        ValueGetter<VBuffer<byte>> getter = cursor.GetGetter<VBuffer<byte>>(column);
        VBuffer<byte> pixels = default;
        while (cursor.MoveNext())
            getter(ref pixels);
    }
}
