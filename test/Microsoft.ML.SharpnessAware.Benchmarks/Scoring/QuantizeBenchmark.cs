namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// What 8-bit integers cost: size, accuracy and calibration on test images of the same model as ONNX in float32 and in Int8, with ranges
/// and temperature from a hundred other images.
/// </summary>
internal static class QuantizeBenchmark
{
    private const int Representatives = 100;

    /// <param name="what">A network, which is trained for some epochs on the Quickstart's images, or a folder of pictures with a sub-folder
    /// for each class, on 500 of which the head of the pretrained network is fitted.</param>
    public static void Run(string what)
    {
        MLContext mlContext = new(seed: 1);
        (IDataView training, IDataView others, IDataView test, ITransformer model) =
            Directory.Exists(what) ? Pretrained(mlContext, what) : Trained(mlContext, what);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("quantize-benchmark");
        try
        {
            string single = Path.Combine(folder.FullName, "float32.onnx"), int8 = Path.Combine(folder.FullName, "int8.onnx");
            model.SaveOnnx(single);
            model.SaveOnnx(int8, new OnnxExportOptions { Quantize = OnnxQuantization.Int8, QuantizationSet = others });
            Table table = new(what, "Size, kB", "Accuracy %", "ECE %", "Log loss");
            foreach (string file in new[] { single, int8 })
            {
                using var scoring = mlContext.Transforms.ScoreOnnxImageClassifier(file, "Image").Fit(training);
                MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(scoring.Transform(test));
                table.Add(Path.GetFileNameWithoutExtension(file), $"{new FileInfo(file).Length / 1e3:F0}", $"{100 * metrics.Accuracy:F2}",
                    $"{100 * metrics.ExpectedCalibrationError:F2}", $"{metrics.LogLoss:F3}");
            }
        }
        finally
        {
            (model as IDisposable)?.Dispose();
            folder.Delete(recursive: true);
        }
    }

    private static (IDataView Training, IDataView Others, IDataView Test, ITransformer Model) Trained(MLContext mlContext, string network)
    {
        bool isTransformer = network.StartsWith("vit", StringComparison.Ordinal);
        (IDataView training, IDataView others, IDataView test) = FashionImages.Load(mlContext, isTransformer ? 1500 : 4500, 500);
        ITransformer model = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            Arch = network,
            Epoch = 4,
            BatchSize = 64,
            ValidationSet = others,
            BaseOptimizer = isTransformer ? new BaseOptimizer.AdamW(LearningRate: 1e-3) : new BaseOptimizer.Sgd(LearningRate: 0.1),
        }).Fit(training);
        return (training, mlContext.Data.TakeRows(others, Representatives), test, model);
    }

    private static (IDataView Training, IDataView Others, IDataView Test, ITransformer Model) Pretrained(MLContext mlContext, string folder)
    {
        IDataView pictures = mlContext.Data.ShuffleRows(mlContext.Data.LoadImagesFromFolder(folder), seed: 1);
        IDataView keyed = mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(pictures).Transform(pictures);
        IDataView training = mlContext.Data.TakeRows(keyed, 500), rest = mlContext.Data.SkipRows(keyed, 500);
        ITransformer model = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            FineTuning = FineTuning.HeadOnly,
        }).Fit(training);
        IDataView test = mlContext.Data.TakeRows(mlContext.Data.SkipRows(rest, Representatives), 1000);
        return (training, mlContext.Data.TakeRows(rest, Representatives), test, model);
    }
}
