using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;
using SignDigitsSample;

// dotnet run -c Release --project docs/samples/SignDigits -- <folder>
// The folder has one sub-folder for each class, for example the folder Dataset of github.com/ardamavi/Sign-Language-Digits-Dataset.
if (args is not [string folder, ..] || !Directory.Exists(folder))
{
    Console.Error.WriteLine("dotnet run -c Release --project docs/samples/SignDigits -- <folder with one sub-folder of pictures for each " +
        "class>");
    return 1;
}

AllocatorTuning.KeepFreedMemory();
var mlContext = new MLContext(seed: 1);

// Ten pictures in a row, nearly always, are of one student. A model that has seen a student's hand is surer of it than of a stranger's, so
// all pictures of a person go to the same side. samplingKeyColumnName is ML.NET's way to say so; it could be a patient, a device or a day.
var split = mlContext.Data.TrainTestSplit(
    mlContext.Data.LoadFromEnumerable(Photograph.Load(folder)), testFraction: 0.2, samplingKeyColumnName: nameof(Photograph.Person));
if (!split.TrainSet.GetColumn<float>(nameof(Photograph.Person)).Any() || !split.TestSet.GetColumn<float>(nameof(Photograph.Person)).Any())
{
    Console.Error.WriteLine($"The pictures in '{folder}' are of too few people to train on some and to test on others: ten numbers in a " +
        "row in their names are one person.");
    return 1;
}

Console.WriteLine("Training …");
ITransformer model = SignDigits.RetrainModel(mlContext, split.TrainSet);
SignDigits.SaveModel(mlContext, model, split.TrainSet, SignDigits.MLNetModelPath);

Console.WriteLine($"Accuracy on people that the model has never seen: " +
    $"{SignDigits.Evaluate(mlContext, split.TestSet, model, "Label").MicroAccuracy:P1}");
Console.WriteLine(SignDigits.EvaluateCalibration(mlContext, split.TestSet, model, "Label"));
foreach ((string feature, double importance) in SignDigits.CalculatePFI(mlContext, split.TestSet, model, "Label"))
    Console.WriteLine($"Permutation importance of {feature}: {importance:P1} of accuracy");

SignDigits.ModelInput first = mlContext.Data.CreateEnumerable<SignDigits.ModelInput>(split.TestSet, reuseRowObject: false).First();
Console.WriteLine($"\nA picture of {first.Label}:");
foreach ((string label, float probability) in SignDigits.PredictAllLabels(first).Take(3))
    Console.WriteLine($"  {label}  {probability:P1}");
return 0;
