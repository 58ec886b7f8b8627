namespace Microsoft.ML.SharpnessAware.Tests;

internal static class FilesProgram
{
    public const string Weights = "weights.safetensors", Onnx = "model.onnx";

    /// <summary>Writes every file that has JSON in it, and reads the weights again, as a program of a single file does (dotnet run app.cs):
    /// .NET prepares those for compilation ahead of time, for which reflection is turned off in JSON.</summary>
    public static void Run(string folder)
    {
        AppContext.SetSwitch("System.Text.Json.JsonSerializer.IsReflectionEnabledByDefault", false);
        var mlContext = new MLContext(1);
        IDataView data = Fitted.View(mlContext, Shapes.Encoded(60));
        string weights = Path.Combine(folder, Weights);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, data, options => options.Epoch = 1);
        model.SaveWeights(weights);
        ITransformer sets = mlContext.MulticlassClassification.Decisions
            .PredictionSets(coverage: 0.9, score: PredictionSetScore.LeastAmbiguous).Fit(model.Transform(data));
        model.Append(sets).SaveOnnx(Path.Combine(folder, Onnx));
        Fitted.Model(mlContext, data, options => (options.Epoch, options.InitialWeights) = (1, weights)).Dispose();
    }
}
