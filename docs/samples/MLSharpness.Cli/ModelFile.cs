using Microsoft.ML;

namespace MLSharpness.Cli;

/// <summary>Model files, written beside their place first, so that a failure leaves an older one as it was.</summary>
internal static class ModelFile
{
    public static void Save(MLContext mlContext, ITransformer model, DataViewSchema inputSchema, string path)
    {
        string target = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        string temporary = target + ".tmp";
        try
        {
            mlContext.Model.Save(model, inputSchema, temporary);
            File.Move(temporary, target, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

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
