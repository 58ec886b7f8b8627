using Microsoft.ML;
using Microsoft.ML.SharpnessAware.Tests;

// Prints the scores that the model file of the first argument gives twenty images: the bits of each float, so that nothing is rounded.
var mlContext = new MLContext();
try
{
    ITransformer model = mlContext.Model.Load(args[0], out _);
    IDataView scored = model.Transform(mlContext.Data.LoadFromEnumerable(Shapes.Pixels(20, seed: 11)));
    foreach (ScoredRow row in mlContext.Data.CreateEnumerable<ScoredRow>(scored, reuseRowObject: false))
        Console.WriteLine(string.Join(' ', row.Score.Select(BitConverter.SingleToUInt32Bits)));
    return 0;
}
catch (Exception e)
{
    for (Exception? inner = e; inner is not null; inner = inner.InnerException)
        Console.Error.WriteLine($"{inner.GetType().Name}: {inner.Message}");
    return 2;
}
