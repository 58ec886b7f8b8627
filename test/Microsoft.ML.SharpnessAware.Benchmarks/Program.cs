using System.Globalization;
using Microsoft.ML.SharpnessAware.Benchmarks;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
switch (args.FirstOrDefault())
{
    case "evaluate":
        EvaluateBenchmark.Run();
        return 0;
    case "small-sample":
        SmallSampleTable.Run();
        return 0;
    default:
        Console.WriteLine("Usage: dotnet run -c Release --project test/Microsoft.ML.SharpnessAware.Benchmarks -- evaluate | small-sample");
        return 1;
}
