using CalibrateText;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;
using Microsoft.ML.TorchSharp;

// Trains ML.NET's text classification, whose scores are raw logits, calibrates them on texts that the model has not seen, and puts
// prediction sets on top. ML.NET downloads its pretrained encoder when it is first needed.
if (args.Contains("--help"))
{
    Console.WriteLine(Arguments.Help);
    return 0;
}

Arguments options;
string outputFolder;
IReadOnlyList<Request> requests;
MLContext mlContext;
try
{
    options = Arguments.Parse(args);
    outputFolder = Path.GetFullPath(options.OutputFolder);
    Directory.CreateDirectory(outputFolder);
    mlContext = new MLContext(seed: 1) { TempFilePath = outputFolder };
    // 1. Four sets of texts: to train on, to calibrate on, to fit the prediction sets on, and to measure on.
    requests = options.Data is string path ? Requests.Read(path, seed: 1) : Requests.Draw(options.Rows, seed: 1);
    if (options.HasRandomEncoder)
        RandomEncoder.Write(mlContext.TempFilePath);
}
catch (Exception exception) when (exception is ArgumentException or IOException or InvalidDataException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}

IDataView rows = mlContext.Data.LoadFromEnumerable(requests);
ITransformer key = mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(rows);
IDataView labelled = key.Transform(rows);
int part = requests.Count / 6;
IDataView Part(int from, int count) => mlContext.Data.TakeRows(from == 0 ? labelled : mlContext.Data.SkipRows(labelled, from), count);
(IDataView training, IDataView calibration, IDataView decision, IDataView test) =
    (Part(0, 3 * part), Part(3 * part, part), Part(4 * part, part), Part(5 * part, requests.Count));

// 2. The text classifier.
Console.WriteLine($"Training on {3 * part} texts …");
ITransformer classifier = mlContext.MulticlassClassification.Trainers
    .TextClassification(sentence1ColumnName: "Text", batchSize: 16, maxEpochs: options.Epochs)
    .Fit(training);
IDataView Scored(IDataView texts) => mlContext.Data.Cache(classifier.Transform(texts), "Label", "Score", "PredictedLabel");
IDataView scoredTest = Scored(test);
Console.WriteLine("\nAs it is:");
Console.WriteLine(mlContext.MulticlassClassification.EvaluateCalibration(scoredTest, scoreKind: ScoreKind.Logits));

// 3. Its logits become probabilities that mean what they say.
ITransformer calibrator = mlContext.MulticlassClassification.Calibrators.Temperature(scoreKind: ScoreKind.Logits).Fit(Scored(calibration));
IDataView calibratedTest = calibrator.Transform(scoredTest);
Console.WriteLine("\nWith a temperature:");
Console.WriteLine(mlContext.MulticlassClassification.EvaluateCalibration(calibratedTest));

// 4. Sets that contain the right department in nine of ten cases.
ITransformer sets = mlContext.MulticlassClassification.Decisions.PredictionSets(coverage: 0.9)
    .Fit(calibrator.Transform(Scored(decision)));
IDataView decided = sets.Transform(calibratedTest);
Console.WriteLine("\nPrediction sets:");
Console.WriteLine(mlContext.MulticlassClassification.EvaluatePredictionSets(decided));

// 5. All of it is one model.
ITransformer names = mlContext.Transforms.Conversion.MapKeyToValue("PredictionSet").Fit(decided);
ITransformer whole = key.Append(classifier).Append(calibrator).Append(sets).Append(names);
string modelPath = Path.Combine(outputFolder, "text-model.zip");
mlContext.Model.SaveAtomically(whole, rows.Schema, modelPath);
ITransformer loaded = new MLContext { TempFilePath = outputFolder }.Model.Load(modelPath, out DataViewSchema schema);
Console.WriteLine($"\n{modelPath}, read back:");
foreach (string text in new[] { "hello , my refund is still missing", "the last message is wrong" })
{
    IDataView answer = loaded.Transform(mlContext.Data.LoadFromEnumerable([new Request { Text = text }]));
    string set = string.Join(", ", answer.GetColumn<ReadOnlyMemory<char>[]>("PredictionSet").Single());
    Console.WriteLine($"  \"{text}\": {set}   ({answer.GetColumn<float[]>("Score").Single().Max():P0})");
}
return 0;
