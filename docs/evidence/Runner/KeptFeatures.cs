using System.Runtime.InteropServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;

namespace MLSharpness.Evidence;

/// <summary>What a pretrained network makes of pictures, kept on disk so that each goes through it once.</summary>
/// <remarks>Files hold some hundred pictures each, so that a sitting that ends loses no more than those.</remarks>
internal sealed class KeptFeatures(Laboratory laboratory)
{
    /// <summary>This library's features, at the side that it takes by default.</summary>
    public const string Ours = "FeaturizeImages";

    /// <summary>ML.NET's own, at 224×224, the size that its documentation takes.</summary>
    public const string MLNet = "DnnFeaturizeImage";

    public const int Count = 512;

    private const int PicturesOfAFile = 500;

    /// <summary>The features [images × 512] of all images.</summary>
    /// <param name="network"><see cref="Ours"/> or <see cref="MLNet"/>.</param>
    /// <param name="name">What the images are: a name of the file.</param>
    /// <param name="images">The images.</param>
    public float[][] Of(string network, string name, ImageSet images)
    {
        List<float[]> features = [];
        for (int start = 0; start < images.Count; start += PicturesOfAFile)
        {
            laboratory.Cancellation.ThrowIfCancellationRequested();
            string path = Path.Combine(laboratory.ModelsFolder, "features", $"{network} {name} {start}.bin");
            if (!File.Exists(path))
                Write(path, Compute(network, images.Range(start, PicturesOfAFile)));
            ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path));
            for (int i = 0; i < values.Length; i += Count)
                features.Add(values.Slice(i, Count).ToArray());
        }

        return features.Count == images.Count ? [.. features]
            : throw new InvalidDataException($"The files of '{network} {name}' have features of {features.Count} images, and there are " +
                $"{images.Count}. Delete them.");
    }

    /// <summary>Features as rows for ML.NET's trainers: Label a key of all classes, Features a vector.</summary>
    public static IDataView ToDataView(MLContext mlContext, IEnumerable<float[]> features, IEnumerable<int> labels, int classes)
    {
        var definition = SchemaDefinition.Create(typeof(Row));
        definition[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, Count);
        definition[nameof(Row.Label)].ColumnType = new KeyDataViewType(typeof(uint), classes);
        return mlContext.Data.LoadFromEnumerable(
            features.Zip(labels, (row, label) => new Row { Features = row, Label = (uint)label }).ToArray(), definition);
    }

    private static float[][] Compute(string network, ImageSet images)
    {
        var mlContext = new MLContext(1);
        IDataView pictures = images.ToPictures(mlContext);
        if (network == Ours)
        {
            ITransformer backbone = mlContext.Transforms.FeaturizeImages("Features", "Image").Fit(pictures);
            using var owner = backbone as IDisposable;
            return [.. backbone.Transform(pictures).GetColumn<float[]>("Features")];
        }

        IDataView bitmaps = mlContext.Data.LoadFromEnumerable(
            pictures.GetColumn<byte[]>("Image").Select(file => new Bitmap { Image = MLImage.CreateFromStream(new MemoryStream(file)) })
                .ToArray());
        ITransformer featurizer = mlContext.Transforms.ResizeImages("Image", 224, 224)
            .Append(mlContext.Transforms.ExtractPixels("Pixels", "Image"))
            .Append(mlContext.Transforms.DnnFeaturizeImage("Features", input =>
                input.ModelSelector.ResNet18(mlContext, input.OutputColumn, input.InputColumn), "Pixels"))
            .Fit(bitmaps);
        return [.. featurizer.Transform(bitmaps).GetColumn<float[]>("Features")];
    }

    private static void Write(string path, float[][] features)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.Write(path, file =>
        {
            foreach (float[] row in features)
                file.Write(MemoryMarshal.AsBytes<float>(row));
        });
    }

    private sealed class Row
    {
        public float[] Features { get; set; } = [];

        /// <summary>From 0: ML.NET adds the 1 of a key itself.</summary>
        public uint Label { get; set; }
    }

    private sealed class Bitmap
    {
        [Microsoft.ML.Transforms.Image.ImageType(224, 224)]
        public MLImage? Image { get; set; }
    }
}
