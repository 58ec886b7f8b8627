using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace DropInSample;

/// <summary>A picture for both sides: ML.NET's reads the path, ours the bytes.</summary>
internal sealed class Picture
{
    public string Label { get; set; } = "";

    public string ImagePath { get; set; } = "";

    public byte[] Image { get; set; } = [];

    /// <summary>Reads a folder with one sub-folder for each class, a list for each class in the order of their names. What is left out is
    /// said.</summary>
    /// <exception cref="InvalidDataException">There are no pictures.</exception>
    public static IReadOnlyList<Picture[]> Read(string folder)
    {
        var mlContext = new MLContext();
        mlContext.Log += (_, log) =>
        {
            if (log.Kind == ChannelMessageKind.Warning)
                Console.Error.WriteLine(log.RawMessage);
        };
        return
        [
            .. mlContext.Data.CreateEnumerable<Picture>(mlContext.Data.LoadImagesFromFolder(folder), reuseRowObject: false)
                .GroupBy(picture => picture.Label).Select(pictures => pictures.ToArray()),
        ];
    }
}
