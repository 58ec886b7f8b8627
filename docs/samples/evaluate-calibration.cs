#:project ../../src/Microsoft.ML.SharpnessAware.Calibration
#:property PublishAot=false
#:property NoWarn=$(NoWarn);CS1591

// dotnet run docs/samples/evaluate-calibration.cs [-- scores.csv]
// Scores of any model, made by any program: each line has the number of the right class, then the probability of each class
// (0,0.7,0.2,0.1).
// Without a file: 5,000 made-up rows of a model that says 90 % where it is right three times out of four.
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

MulticlassCalibrationMetrics metrics;
try
{
    (float[] scores, int[] labels, int classes) = args.Length > 0 ? Read(args[0]) : MakeUp(5_000);
    metrics = CalibrationMetrics.Compute(scores, labels, classes);
}
catch (Exception exception) when (exception is not OutOfMemoryException)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}

Console.WriteLine(metrics);
Console.WriteLine(metrics.Bootstrap());                 // the same with 95 % intervals: how much of it may be chance
foreach (ReliabilityBin bin in metrics.ReliabilityDiagram.Bins.Where(bin => bin.Count > 0))
    Console.WriteLine($"{bin.Count,5} rows say {bin.MeanConfidence:P0}: {bin.Accuracy:P0} are right");
metrics.ReliabilityDiagram.SavePng("reliability.png");
return 0;

static (float[] Scores, int[] Labels, int Classes) Read(string path)
{
    float[][] rows = [.. File.ReadLines(path).Where(line => line.Length > 0)
        .Select(line => Array.ConvertAll(line.Split(','), text => float.Parse(text, CultureInfo.InvariantCulture)))];
    if (rows.Length == 0)
        throw new InvalidDataException($"'{path}' has no rows: the number of the right class, then the probability of each class.");
    return ([.. rows.SelectMany(row => row.Skip(1))], [.. rows.Select(row => (int)row[0])], rows[0].Length - 1);
}

static (float[] Scores, int[] Labels, int Classes) MakeUp(int count)
{
    var random = new Random(1);
    var scores = new List<float>();
    var labels = new List<int>();
    for (int i = 0; i < count; i++)
    {
        float confidence = 0.85f + 0.1f * random.NextSingle();
        scores.AddRange([confidence, 1 - confidence, 0]);
        labels.Add(random.NextDouble() < 0.75 ? 0 : 1);
    }

    return ([.. scores], [.. labels], 3);
}
