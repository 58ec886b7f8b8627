using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>Decodes the pictures of the test once before a training, so that a damaged one does not turn up at its end.</summary>
internal static class TestPictures
{
    // So many may take long enough for a user to wonder.
    private const int Many = 100;

    // As many as read the pictures of a training.
    private const int MostThreads = 8;

    // All of a file is read for whatever size; a small one is quick, and a large JPEG is decoded to an eighth of its sides.
    private static readonly ImageShape Shape = new(3, 32, 32);

    /// <exception cref="InvalidDataException">A picture cannot be read; the message names its file.</exception>
    /// <exception cref="OperationCanceledException">Ctrl+C.</exception>
    public static void Check(CommandContext context, IDataView images)
    {
        int count = Images.Count(images);
        if (count > Many)
            context.Say($"Reading {count} test pictures, so that a damaged one is found before the training …");

        // A context of its own: what a training draws is as without this.
        IEnumerable<Picture> pictures = new MLContext().Data.CreateEnumerable<Picture>(images, reuseRowObject: false);
        var options = new ParallelOptions
        {
            CancellationToken = context.Cancellation, MaxDegreeOfParallelism = Math.Min(MostThreads, Environment.ProcessorCount),
        };
        try
        {
            Parallel.ForEach(Partitioner.Create(pictures, EnumerablePartitionerOptions.NoBuffering), options,
                () => (Decoder: new ImageDecoder(), Planes: new byte[Shape.ValueCount]),
                (picture, _, own) =>
                {
                    Decode(own.Decoder, picture, own.Planes);
                    return own;
                },
                _ => { });
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }

    private static void Decode(ImageDecoder decoder, Picture picture, byte[] planes)
    {
        try
        {
            decoder.Decode(picture.Image, Shape, planes);
        }
        catch (Exception exception) when (exception is InvalidDataException or ArgumentException)
        {
            throw new InvalidDataException($"'{picture.ImagePath}': {exception.Message}", exception);
        }
    }

    private sealed class Picture
    {
        public string ImagePath { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }
}
