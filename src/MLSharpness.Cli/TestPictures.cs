using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLSharpness.Cli;

/// <summary>Decodes the pictures of the test once before a training, so that a damaged one does not turn up at its end.</summary>
internal static class TestPictures
{
    // Each thread holds a picture in its full size.
    private const int MostThreads = 4;

    /// <exception cref="InvalidDataException">A picture cannot be read; the message names its file.</exception>
    /// <exception cref="OperationCanceledException">Ctrl+C.</exception>
    public static void Check(IDataView images, CancellationToken cancellation)
    {
        var mlContext = new MLContext();        // of its own: what a training draws is as without this
        IEnumerable<Picture> pictures = mlContext.Data.CreateEnumerable<Picture>(images, reuseRowObject: false);
        ITransformer decoder = mlContext.Transforms.DecodeImages("Image").Fit(mlContext.Data.LoadFromEnumerable<Picture>([]));
        var options = new ParallelOptions
        {
            CancellationToken = cancellation, MaxDegreeOfParallelism = Math.Min(MostThreads, Environment.ProcessorCount),
        };
        try
        {
            Parallel.ForEach(Partitioner.Create(pictures, EnumerablePartitionerOptions.NoBuffering), options,
                picture => Decode(mlContext, decoder, picture));
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }

    private static void Decode(MLContext mlContext, ITransformer decoder, Picture picture)
    {
        try
        {
            foreach (MLImage image in decoder.Transform(mlContext.Data.LoadFromEnumerable([picture])).GetColumn<MLImage>("Image"))
                image.Dispose();
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidDataException($"'{picture.ImagePath}': {exception.GetBaseException().Message}", exception);
        }
    }

    private sealed class Picture
    {
        public string ImagePath { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }
}
