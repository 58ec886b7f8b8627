using System.Diagnostics;
using System.Globalization;
using DropInSample;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

if (CommandLine.Parse(args) is not CommandLine options)
    return 1;

const int TestedOfEachClass = 50;
AllocatorTuning.KeepFreedMemory();
IReadOnlyList<Picture[]> classes;
try
{
    classes = Picture.Read(options.Folder);
}
catch (Exception exception) when (exception is IOException or InvalidDataException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}

if (classes.Count < 2)
{
    Console.Error.WriteLine($"'{options.Folder}' has pictures of '{classes[0][0].Label}' alone: there is nothing to tell apart.");
    return 1;
}

Picture[] fewest = classes.MinBy(pictures => pictures.Length)!;
Console.WriteLine($"{classes.Count} classes, {classes.Sum(pictures => pictures.Length)} pictures; up to {TestedOfEachClass} of each " +
    "class are tested on. Accuracy and ECE in %, time to fit in seconds. By chance: the ECE that a perfectly calibrated model of the " +
    "same confidences would show on so few pictures.");
Console.WriteLine();
Console.WriteLine("| each | seed | side | accuracy | ECE | by chance | log loss | fit |");
Console.WriteLine("| --: | --: | -- | --: | --: | --: | --: | --: |");
List<Result> results = [];
foreach (int each in options.Each)
{
    int needed = each + Math.Min(each, TestedOfEachClass / 2);
    if (fewest.Length < needed)
    {
        Console.Error.WriteLine($"{each} of each class are left out: '{fewest[0].Label}' has {fewest.Length} pictures, and {needed} are " +
            "needed with those to test on.");
        continue;
    }

    foreach (int seed in options.Seeds)
    {
        var random = new Random(seed);
        int quarter = random.Next(4);
        Picture[][] drawn = [.. classes.Select(pictures => Ordered(pictures, quarter, random))];
        Picture[] train = [.. drawn.SelectMany(pictures => pictures.Take(each))];
        Picture[] test = [.. drawn.SelectMany(pictures => pictures.Skip(each).Take(TestedOfEachClass))];
        Measure(each, seed, "ML.NET", Pipelines.MLNet, train, test);
        Measure(each, seed, "SharpnessAware", mlContext => Pipelines.SharpnessAware(mlContext, options.HeadOnly), train, test);
    }
}

if (results.Count == 0)
{
    Console.Error.WriteLine("Nothing was measured. Give --each smaller numbers, or take more pictures.");
    return 1;
}

Console.WriteLine();
Console.WriteLine("| each | side | accuracy | ECE | by chance | log loss | fit |");
Console.WriteLine("| --: | -- | --: | --: | --: | --: | --: |");
foreach (IGrouping<(int Each, string Side), Result> group in results.GroupBy(result => (result.Each, result.Side)))
{
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"| {group.Key.Each} | {group.Key.Side} | {group.Average(result => result.Accuracy):F1} | " +
        $"{group.Average(result => result.Ece):F1} | {group.Average(result => result.EceByChance):F1} | " +
        $"{group.Average(result => result.LogLoss):F3} | {group.Average(result => result.Seconds):F1} |"));
}

return 0;

// By name: from another place for each seed, so that seeds are groups of people, and the same place for each class: otherwise who is
// trained on in one class is tested on in another, and classes are told by people.
Picture[] Ordered(Picture[] pictures, int quarter, Random random)
{
    Picture[] copy = [.. pictures];
    if (!options.ByPeople)
    {
        random.Shuffle(copy);
        return copy;
    }

    int start = copy.Length * quarter / 4;
    return [.. copy.Skip(start), .. copy.Take(start)];
}

void Measure(int each, int seed, string side, Func<MLContext, IEstimator<ITransformer>> pipeline, Picture[] train, Picture[] test)
{
    var mlContext = new MLContext(seed);
    IDataView trainingData = mlContext.Data.LoadFromEnumerable(train), testData = mlContext.Data.LoadFromEnumerable(test);
    long start = Stopwatch.GetTimestamp();
    ITransformer model = pipeline(mlContext).Fit(trainingData);
    double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
    IDataView scored = mlContext.Data.Cache(model.Transform(testData));
    MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(scored);
    double byChance = CalibratedModel.MeanEce([.. scored.GetColumn<float[]>("Score")], seed);
    (model as IDisposable)?.Dispose();
    var result = new Result(each, side, 100 * metrics.Accuracy, 100 * metrics.ExpectedCalibrationError, 100 * byChance,
        metrics.LogLoss, seconds);
    results.Add(result);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"| {each} | {seed} | {side} | {result.Accuracy:F1} | {result.Ece:F1} | {result.EceByChance:F1} | {result.LogLoss:F3} | " +
        $"{seconds:F1} |"));
}
