using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>Model files; one that was there before stays until the new one is complete.</summary>
internal static class ModelFile
{
    public static void Save(MLContext mlContext, ITransformer model, DataViewSchema inputSchema, string path) =>
        mlContext.Model.SaveAtomically(model, inputSchema, path);

    /// <summary>Tries the temporary folder, in which ML.NET lays out a model that it saves or loads.</summary>
    /// <exception cref="IOException">Nothing can be written there.</exception>
    public static void CheckTemporaryFolder()
    {
        try
        {
            AtomicFile.CheckFolder(Path.GetTempPath());
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The temporary folder '{Path.GetTempPath()}', in which ML.NET saves and loads models, cannot be " +
                $"written: {exception.Message} Name another one by the variable {(OperatingSystem.IsWindows() ? "TMP" : "TMPDIR")}.",
                exception);
        }
    }

    public static ITransformer Load(MLContext mlContext, string path) => Load(mlContext, path, out _);

    /// <summary>The model, and the columns that it was trained on.</summary>
    public static ITransformer Load(MLContext mlContext, string path, out DataViewSchema inputSchema)
    {
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no model file '{path}'.");
        CheckTemporaryFolder();
        try
        {
            ITransformer model = mlContext.Model.Load(path, out inputSchema);
            if (Classifier(model) is not null)
                Processes.LimitThreads();
            return model;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new InvalidDataException(
                $"'{path}' cannot be read as a model. {Reason(path) ?? exception.GetBaseException().Message}", exception);
        }
    }

    /// <summary>What is wrong with the file as such; null where it is a whole zip archive.</summary>
    private static string? Reason(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> start = stackalloc byte[4];
        int length = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        if (length == 0)
            return "It is empty.";
        if (!start[..length].SequenceEqual("PK\x03\x04"u8))
            return "It is not a zip archive, as models written by 'mlsharpness train' and ML.NET's Model.Save are.";
        file.Position = 0;
        try
        {
            CutArchive.Open(file).Dispose();
            return null;
        }
        catch (InvalidDataException exception)
        {
            return exception.Message;
        }
    }

    /// <summary>The names of the classes in the order of Score: the classifier's, or what Score itself says, or numbers from 0.</summary>
    public static string[] ClassNames(ITransformer model, DataViewSchema inputSchema)
    {
        if (Classifier(model) is { } classifier)
            return [.. classifier.ClassNames];
        DataViewSchema.Column score = model.GetOutputSchema(inputSchema)["Score"];
        if (score.HasSlotNames())
        {
            VBuffer<ReadOnlyMemory<char>> names = default;
            score.GetSlotNames(ref names);
            return [.. names.DenseValues().Select(name => $"{name}")];
        }

        return [.. Enumerable.Range(0, (score.Type as VectorDataViewType)?.Size ?? 0).Select(number => $"{number}")];
    }

    private static SharpnessAwareImageClassificationTransformer? Classifier(ITransformer model) => model switch
    {
        SharpnessAwareImageClassificationTransformer classifier => classifier,
        IEnumerable<ITransformer> chain => chain.Select(Classifier).FirstOrDefault(classifier => classifier is not null),
        _ => null,
    };
}
