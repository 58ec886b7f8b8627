using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

// OnnxOnly <model.onnx> <folder of pictures> <pipeline.zip>: scores the pictures, saves the pipeline, loads it and scores again. Prints a
// line of label and scores for each picture, then the names of the assemblies that were loaded.
(string modelPath, string pictures, string pipelinePath) = (args[0], args[1], args[2]);
var mlContext = new MLContext();
IDataView data = mlContext.Data.LoadImagesFromFolder(pictures);
using (OnnxImageClassifierTransformer model =
    mlContext.Transforms.ScoreOnnxImageClassifier(modelPath, featureColumnName: "Image").Fit(data))
    mlContext.Model.Save(model, data.Schema, pipelinePath);
File.Delete(modelPath);

ITransformer loaded = new MLContext().Model.Load(pipelinePath, out _);
ITransformer names = loaded.Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(loaded.Transform(data)));
foreach (ScoredRow row in mlContext.Data.CreateEnumerable<ScoredRow>(names.Transform(data), reuseRowObject: false))
    Console.WriteLine(
        $"{row.PredictedLabel} {string.Join(' ', row.Score.Select(score => score.ToString("R", CultureInfo.InvariantCulture)))}");
Console.WriteLine();
foreach (System.Reflection.Assembly assembly in AppDomain.CurrentDomain.GetAssemblies())
    Console.WriteLine(assembly.GetName().Name);
(loaded as IDisposable)?.Dispose();

internal sealed class ScoredRow
{
    public string PredictedLabel { get; set; } = "";

    public float[] Score { get; set; } = [];
}
