using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using SkiaSharp;

namespace Serve;

/// <summary>A model that SaveOnnx wrote with Resize and ChannelsLast, scored by ONNX Runtime: neither libtorch nor ML.NET is
/// needed.</summary>
internal sealed class OnnxImageClassifier : IImageClassifier
{
    private const long MaxPixels = 100_000_000;

    private readonly InferenceSession _session;
    private readonly RunOptions _runOptions = new();
    private readonly string _input;
    private readonly string _score;
    private readonly int _channels;
    private readonly string[] _classNames;

    /// <exception cref="InvalidDataException">The file is another model, or saved with other options.</exception>
    public OnnxImageClassifier(string modelPath)
    {
        // A thread a request: the requests keep the processors busy.
        using var options = new Microsoft.ML.OnnxRuntime.SessionOptions { IntraOpNumThreads = 1, EnableCpuMemArena = false };
        _session = new InferenceSession(modelPath, options);
        Dictionary<string, string> metadata = _session.ModelMetadata.CustomMetadataMap;
        if (metadata.GetValueOrDefault("resizes") != "true" || metadata.GetValueOrDefault("pixel_order") != "NHWC")
        {
            throw new InvalidDataException(
                $"'{modelPath}' must be saved by SaveOnnx with Resize = true and PixelOrder = OnnxPixelOrder.ChannelsLast.");
        }

        _input = _session.InputNames[0];
        _score = _session.OutputNames[0];
        _channels = int.Parse(metadata["input_size"].Split(',')[0]);
        _classNames = JsonSerializer.Deserialize<string[]>(metadata["class_names"])!;
    }

    public IReadOnlyList<ClassProbability> Predict(byte[] image)
    {
        (byte[] pixels, int width, int height) = Decode(image);
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(pixels, [1, height, width, _channels]);
        using var results = _session.Run(_runOptions, [_input], [input], [_score]);
        float[] scores = results[0].GetTensorDataAsSpan<float>().ToArray();
        return [.. _classNames.Zip(scores, (name, score) => new ClassProbability(name, score))
            .OrderByDescending(entry => entry.Probability)];
    }

    public void Dispose()
    {
        _runOptions.Dispose();
        _session.Dispose();
    }

    /// <summary>The pixels one after the other, turned as the EXIF data say, transparency over white.</summary>
    private (byte[] Pixels, int Width, int Height) Decode(byte[] image)
    {
        using SKData data = SKData.CreateCopy(image);
        using SKCodec? codec = SKCodec.Create(data);
        if (codec is null || (long)codec.Info.Width * codec.Info.Height > MaxPixels)
            throw new InvalidOperationException($"The {image.Length} bytes are not an image, or one that is too large.");
        using var decoded = new SKBitmap(new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Premul));
        if (codec.GetPixels(decoded.Info, decoded.GetPixels()) != SKCodecResult.Success)
            throw new InvalidOperationException("The image is damaged, or ends early.");

        SKEncodedOrigin origin = codec.EncodedOrigin;
        bool swaps = origin >= SKEncodedOrigin.LeftTop;
        (int width, int height) = swaps ? (decoded.Height, decoded.Width) : (decoded.Width, decoded.Height);
        byte[] pixels = new byte[width * height * _channels];
        ReadOnlySpan<byte> source = decoded.GetPixelSpan();
        for (int y = 0, at = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                (int column, int row) = Source(origin, x, y, width, height);
                ReadOnlySpan<byte> pixel = source.Slice(4 * ((row * decoded.Width) + column), 4);
                int white = 255 - pixel[3];
                (int red, int green, int blue) = (pixel[0] + white, pixel[1] + white, pixel[2] + white);
                if (_channels == 1)
                {
                    pixels[at++] = (byte)((0.299f * red) + (0.587f * green) + (0.114f * blue) + 0.5f);
                    continue;
                }
                pixels[at++] = (byte)red;
                pixels[at++] = (byte)green;
                pixels[at++] = (byte)blue;
            }
        }
        return (pixels, width, height);
    }

    /// <summary>Where the pixel (x, y) of the upright picture, which is so wide and high, is in the stored one.</summary>
    private static (int X, int Y) Source(SKEncodedOrigin origin, int x, int y, int width, int height) => origin switch
    {
        SKEncodedOrigin.TopRight => (width - 1 - x, y),
        SKEncodedOrigin.BottomRight => (width - 1 - x, height - 1 - y),
        SKEncodedOrigin.BottomLeft => (x, height - 1 - y),
        SKEncodedOrigin.LeftTop => (y, x),
        SKEncodedOrigin.RightTop => (y, width - 1 - x),
        SKEncodedOrigin.RightBottom => (height - 1 - y, width - 1 - x),
        SKEncodedOrigin.LeftBottom => (height - 1 - y, x),
        _ => (x, y),
    };
}
