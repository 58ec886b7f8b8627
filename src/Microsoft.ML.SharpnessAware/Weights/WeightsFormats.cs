using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Tells what a file of weights is by how it begins, and names what is often taken for one.</summary>
internal static class WeightsFormats
{
    private const int StartLength = 512;

    /// <summary>Recognises a file's format; the stream is left at its start.</summary>
    /// <param name="file">The file, which can seek.</param>
    /// <param name="path">Its name, which counts where the content does not tell.</param>
    /// <exception cref="InvalidDataException">It is something else: the message says what, and what to do.</exception>
    public static WeightsFormat Recognise(Stream file, string path)
    {
        Span<byte> buffer = stackalloc byte[StartLength];
        ReadOnlySpan<byte> start = buffer[..file.ReadAtLeast(buffer, StartLength, throwOnEndOfStream: false)];
        file.Position = 0;
        if (start.StartsWith("PK\x03\x04"u8))
            return WeightsFormat.Zip;
        if (start.Length > 8 && start[8] == '{') // after the header's length
            return WeightsFormat.Safetensors;
        if (Foreign(start) is string problem)
            throw new InvalidDataException(problem);
        // An ONNX model begins with the version of its format: field 1, a number.
        return start[0] == 0x08 || path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase) ? WeightsFormat.Onnx
            : WeightsFormat.Safetensors;
    }

    private static string? Foreign(ReadOnlySpan<byte> start)
    {
        const string Safetensors = "Save its state_dict as safetensors, for example by Python's safetensors.torch.save_file.";
        if (start.IsEmpty)
            return "It is empty.";
        if (start.StartsWith("version https://git-lfs"u8))
        {
            return "It is a pointer of Git LFS, a few lines of text that stand for the file: fetch the file itself (git lfs pull), or " +
                "download it by the address that has /resolve/ or /media/ instead of /raw/ or /blob/.";
        }

        if (start is [0x80, >= 2 and <= 5, ..])
            return $"It is a Python pickle, as PyTorch wrote its files (.pth, .pt, .bin) until 1.5, which is not read, because that can " +
                $"run code. {Safetensors}";
        if (start is [0x89, (byte)'H', (byte)'D', (byte)'F', ..])
            return "It is an HDF5 file, as Keras and MATLAB write them. Save the weights as safetensors.";
        if (start is [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', ..])
            return "It is an array of NumPy. Save the weights as safetensors (Python's safetensors.numpy.save_file).";
        if (start.StartsWith("GGUF"u8))
            return "It is a GGUF file, of language models. Weights of image networks come as safetensors.";
        if (start is [0x1F, 0x8B, ..])
            return "It is compressed by gzip. Unpack it.";
        if (Text(start) is not string text)
            return null;
        if (text.StartsWith('<'))
        {
            return "It is a web page (HTML or XML) and not the file that the page is about: the download gave a page, perhaps one that " +
                "asks to log in. Use the address of the file itself; on Hugging Face it has /resolve/ where the page has /blob/.";
        }

        return text.StartsWith('{')
            ? "It is JSON. The index of a model that is split into several files (model.safetensors.index.json) holds no weights; and " +
                "split files are not read."
            : $"It is text, which begins '{PrintableText.Of(text[..Math.Min(text.Length, 40)])}', and no file of weights.";
    }

    /// <summary>The start as text; null where it is not.</summary>
    private static string? Text(ReadOnlySpan<byte> start)
    {
        foreach (byte value in start)
        {
            if (value < ' ' && value is not ((byte)'\t' or (byte)'\n' or (byte)'\r'))
                return null;
        }

        string text = Encoding.UTF8.GetString(start).Trim('\uFEFF', ' ', '\t', '\r', '\n');
        return text.AsSpan(0, Math.Max(0, text.Length - 1)).Contains('\uFFFD') || text.Length == 0 ? null : text;
    }
}
