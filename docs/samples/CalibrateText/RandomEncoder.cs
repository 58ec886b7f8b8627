using System.Reflection;
using Microsoft.ML.Tokenizers;
using Microsoft.ML.TorchSharp.NasBert.Models;

namespace CalibrateText;

/// <summary>
/// The file of the pretrained encoder with random weights in it: to try the sample where nothing can be downloaded. What it trains knows
/// nothing of language.
/// </summary>
internal static class RandomEncoder
{
    // The network of the pretrained file; the options of the package's trainers that hold these numbers are internal.
    private const int Padding = 1, EmbeddingSize = 64, Layers = 24, LongestText = 512;
    private static readonly int[] Cells = [9, 11, 7, 0, 0, 0, 11, 11, 7, 0, 0, 0, 9, 7, 11, 0, 0, 0, 10, 7, 9, 0, 0, 0];

    /// <summary>Writes the file where the trainer looks for it before it downloads.</summary>
    /// <param name="temporaryFolder">The <c>TempFilePath</c> of the MLContext.</param>
    public static void Write(string temporaryFolder)
    {
        string folder = Directory.CreateDirectory(Path.Combine(temporaryFolder, "mlnet")).FullName;
        using var encoder = new NasBertEncoder(
            Padding, SizeOfVocabulary(), activationFn: "gelu", maxSeqLen: LongestText, embedSize: EmbeddingSize, arches: Cells,
            numSegments: 0, encoderNormalizeBefore: true, numEncoderLayers: Layers, applyBertInit: true);
        encoder.save(Path.Combine(folder, "NasBert2000000.tsm"));
    }

    private static int SizeOfVocabulary()
    {
        Assembly package = typeof(NasBertEncoder).Assembly;
        using Stream encoder = package.GetManifestResourceStream("encoder.json")!, merges = package.GetManifestResourceStream("vocab.bpe")!,
            words = package.GetManifestResourceStream("dict.txt")!;
        var tokenizer = EnglishRobertaTokenizer.Create(encoder, merges, words, RobertaPreTokenizer.Instance);
        tokenizer.AddMaskSymbol();
        return tokenizer.SymbolsCount;
    }
}
