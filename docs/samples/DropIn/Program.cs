using System.Diagnostics;
using System.Globalization;
using DropInSample;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

// dotnet run -c Release --project docs/samples/DropIn -- <folder> [--people]
// The folder has one sub-folder of pictures for each class. With --people the first pictures of each class, in the order of their names,
// are
// trained on and later ones tested on, so that who is in the one is not in the other where files are numbered person by person.
if (args is not [string folder, ..] || !Directory.Exists(folder))
{
    Console.Error.WriteLine("dotnet run -c Release --project docs/samples/DropIn -- <folder with one sub-folder of pictures for each " +
        "class> [--people]");
    return 1;
}

const int TestedOfEachClass = 50;
bool byName = args.Contains("--people");
AllocatorTuning.KeepFreedMemory();
IReadOnlyList<Picture[]> classes = Picture.Read(folder);
Console.WriteLine($"{classes.Count} classes, {classes.Sum(pictures => pictures.Length)} pictures. Accuracy and ECE in %, time to fit in " +
    "seconds.");
Console.WriteLine("each | seed | side           | accuracy |  ECE | log loss |   fit");
foreach (int each in new[] { 10, 20, 50, 100 })
{
    if (classes.Any(pictures => pictures.Length < each + (TestedOfEachClass / 2)))
        break;
    for (int seed = 1; seed <= 3; seed++)
    {
        var random = new Random(seed);
        int quarter = random.Next(4);
        Picture[][] drawn = [.. classes.Select(pictures => Ordered(pictures, quarter, random))];
        Picture[] train = [.. drawn.SelectMany(pictures => pictures.Take(each))];
        Picture[] test = [.. drawn.SelectMany(pictures => pictures.Skip(each).Take(TestedOfEachClass))];
        Measure(each, seed, "ML.NET", Pipelines.MLNet, train, test);
        Measure(each, seed, "SharpnessAware", Pipelines.SharpnessAware, train, test);
    }
}

return 0;

// By name: from another place for each seed, so that seeds are groups of people, and the same place for each class: otherwise who is
// trained on in one class is tested on in another, and classes are told by people.
Picture[] Ordered(Picture[] pictures, int quarter, Random random)
{
    Picture[] copy = [.. pictures];
    if (!byName)
    {
        random.Shuffle(copy);
        return copy;
    }

    int start = copy.Length * quarter / 4;
    return [.. copy.Skip(start), .. copy.Take(start)];
}

static void Measure(int each, int seed, string side, Func<MLContext, IEstimator<ITransformer>> pipeline, Picture[] train, Picture[] test)
{
    var mlContext = new MLContext(seed);
    IDataView trainingData = mlContext.Data.LoadFromEnumerable(train), testData = mlContext.Data.LoadFromEnumerable(test);
    long start = Stopwatch.GetTimestamp();
    ITransformer model = pipeline(mlContext).Fit(trainingData);
    double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
    MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(testData));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{each,4} | {seed,4} | {side,-14} | {100 * metrics.Accuracy,8:F1} | {100 * metrics.ExpectedCalibrationError,4:F1} | " +
            $"{metrics.LogLoss,8:F3} | {seconds,5:F1}"));
    (model as IDisposable)?.Dispose();
}
