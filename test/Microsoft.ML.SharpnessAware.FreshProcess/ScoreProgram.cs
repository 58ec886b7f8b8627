namespace Microsoft.ML.SharpnessAware.Tests;

internal static class ScoreProgram
{
    /// <summary>Prints the bits of each score, so that nothing is rounded.</summary>
    public static void Run(string modelPath)
    {
        var mlContext = new MLContext();
        ITransformer model = mlContext.Model.Load(modelPath, out _);
        IDataView scored = model.Transform(mlContext.Data.LoadFromEnumerable(Shapes.Pixels(20, seed: 11)));
        foreach (ScoredRow row in mlContext.Data.CreateEnumerable<ScoredRow>(scored, reuseRowObject: false))
            Console.WriteLine(string.Join(' ', row.Score.Select(BitConverter.SingleToUInt32Bits)));
    }
}
