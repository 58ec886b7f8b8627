using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>One JPEG file through a prediction engine, against decoding it and a bare forward pass.</summary>
internal static class SingleImageBenchmark
{
    private const int Repeats = 20;     // one takes too little to time

    public static void Run()
    {
        Table table = new("One image", "Engine, ms", "Decode and pass, ms", "Engine / decode and pass");
        foreach ((string architecture, int side) in new[] { (NetworkArchitecture.ResNet8, 64), (NetworkArchitecture.ResNet20, 64),
            (NetworkArchitecture.ResNet18, 224) })
        {
            SideBySide times = Compare(architecture, side);
            table.Add($"{architecture}, 640×480 to {side}×{side}", $"{times.OursMilliseconds.Median / Repeats:F2}",
                $"{times.TheirsMilliseconds.Median / Repeats:F2}", times.Ratio.Text());
        }
    }

    private static SideBySide Compare(string architecture, int side)
    {
        using Photographs photographs = new(count: 8, width: 640, height: 480);
        MLContext mlContext = new(seed: 1);
        IDataView images = mlContext.Data.LoadImagesFromFolder(photographs.Folder);
        var pipeline = mlContext.Transforms.Conversion.MapValueToKey("Label").Append(
            mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
            {
                FeatureColumnName = "Image",
                Arch = architecture,
                Epoch = 1,
                BatchSize = 4,
                ImageWidth = side,
                ImageHeight = side,
                ImageChannels = 3,
                ValidationSetFraction = 0,
            }));
        var model = pipeline.Fit(images);
        ImageClassifier classifier = model.LastTransformer.Classifier;
        PredictionEngine<Photograph, Scored> engine = mlContext.Model.CreatePredictionEngine<Photograph, Scored>(model);
        Photograph one = new() { Image = File.ReadAllBytes(Directory.GetFiles(photographs.Folder, "*", SearchOption.AllDirectories)[0]) };

        ImageDecoder decoder = new();
        byte[] planes = new byte[classifier.Shape.ValueCount];
        SideBySide times = SideBySide.Run(
            () => Repeat(() => engine.Predict(one)),
            () => Repeat(() =>
            {
                using IDisposable inference = inference_mode();
                using DisposeScope scope = NewDisposeScope();
                decoder.Decode(one.Image, classifier.Shape, planes);
                classifier.Network.call(classifier.Prepare(frombuffer(planes, ScalarType.Byte).view(1, 3, side, side)));
            }),
            rounds: 25);
        model.LastTransformer.Dispose();
        return times;

        static void Repeat(Action action)
        {
            for (int i = 0; i < Repeats; i++)
                action();
        }
    }

    private sealed class Photograph
    {
        public byte[] Image { get; set; } = [];

        public string Label { get; set; } = "";
    }

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];
    }
}
