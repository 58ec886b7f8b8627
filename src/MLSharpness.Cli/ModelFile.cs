using Microsoft.ML;

namespace MLSharpness.Cli;

/// <summary>Model files; one that was there before stays until the new one is complete.</summary>
internal static class ModelFile
{
    public static void Save(MLContext mlContext, ITransformer model, DataViewSchema inputSchema, string path) =>
        mlContext.Model.SaveAtomically(model, inputSchema, path);

    public static ITransformer Load(MLContext mlContext, string path)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no model file '{path}'.");
        try
        {
            return mlContext.Model.Load(path, out _);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new InvalidDataException($"'{path}' cannot be read as a model: {exception.GetBaseException().Message}", exception);
        }
    }
}
