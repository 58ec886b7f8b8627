namespace Microsoft.ML.SharpnessAware;

/// <summary>Tells by names and shapes of tensors which network they are of, and where names have been changed on the way.</summary>
internal static class PublishedNetwork
{
    /// <summary>How many wrappers are looked for around each other.</summary>
    private const int MostWrappers = 8;

    // What wrappers put before every name: DataParallel, torch.compile, Lightning and a few habits.
    private static readonly string[] Wrappers = ["module.", "_orig_mod.", "model.", "backbone.", "encoder.", "net.", "network."];

    /// <summary>The built-in network that the tensors are of, heads aside; null where it is none, or cannot be told.</summary>
    public static string? Recognise(IReadOnlyDictionary<string, long[]> shapes)
    {
        if (shapes.TryGetValue("patch_embed.proj.weight", out long[]? patches) && shapes.ContainsKey("cls_token"))
        {
            return patches switch
            {
                [192, ..] => NetworkArchitecture.VitTiny,
                [384, ..] => NetworkArchitecture.VitSmall,
                _ => null,
            };
        }

        if (!shapes.TryGetValue("conv1.weight", out long[]? stem) || stem.Length != 4)
            return null;
        (int, int, int, int) blocks = (Blocks("layer1"), Blocks("layer2"), Blocks("layer3"), Blocks("layer4"));
        bool isBottleneck = shapes.ContainsKey("layer1.0.conv3.weight");
        return (stem[0], stem[2], blocks, isBottleneck) switch
        {
            (64, 7, (2, 2, 2, 2), false) => NetworkArchitecture.ResNet18,
            (64, 7, (2, 2, 2, 3), false) => NetworkArchitecture.MLNetResNet18,
            (64, 7, (3, 4, 6, 3), false) => NetworkArchitecture.ResNet34,
            (64, 7, (3, 4, 6, 3), true) => NetworkArchitecture.ResNet50,
            (16, 3, (1, 1, 1, 0), false) => NetworkArchitecture.ResNet8,
            (16, 3, (3, 3, 3, 0), false) => NetworkArchitecture.ResNet20,
            (16, 3, (9, 9, 9, 0), false) => NetworkArchitecture.ResNet56,
            (16, 3, _, _) when shapes.TryGetValue("block1.layer.1.conv1.weight", out long[]? first) && first is [160, ..] =>
                NetworkArchitecture.WideResNet28x10,
            (32, 3, (0, 0, 0, 0), false) when shapes.ContainsKey("conv3.weight") => NetworkArchitecture.ConvNet,
            _ => null,
        };

        int Blocks(string stage)
        {
            int count = 0;
            while (shapes.ContainsKey($"{stage}.{count}.conv1.weight"))
                count++;
            return count;
        }
    }

    /// <summary>The shape of the first convolution, [outputs, channels, height, width]; null where it has no name that is known, or takes
    /// nothing.</summary>
    public static long[]? Stem(IReadOnlyDictionary<string, long[]> shapes) =>
        (shapes.GetValueOrDefault("conv1.weight") ?? shapes.GetValueOrDefault("patch_embed.proj.weight")) is [_, > 0, _, _] stem ? stem
            : null;

    /// <summary>
    /// The normalisation that torchvision's and timm's files of a network were mostly trained with: ImageNet's for residual networks; for
    /// timm's vit_tiny_patch16_224 and vit_small_patch16_224 (augreg) a half, twice. Null where none is usual.
    /// </summary>
    public static PixelNormalization? UsualNormalization(string architecture) => architecture switch
    {
        NetworkArchitecture.ResNet18 or NetworkArchitecture.ResNet34 or NetworkArchitecture.ResNet50 => PixelNormalization.ImageNet,
        NetworkArchitecture.VitTiny or NetworkArchitecture.VitSmall => PixelNormalization.Of([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        _ => null,
    };

    /// <summary>What a wrapper has put before every name, such as "module."; empty where there is nothing.</summary>
    public static string Wrapper(IEnumerable<string> names)
    {
        string[] all = [.. names];
        int length = 0;
        for (int i = 0; i < MostWrappers && all.Length > 0; i++)
        {
            string? next = Array.Find(Wrappers, prefix =>
                Array.TrueForAll(all, name => name.AsSpan(length).StartsWith(prefix, StringComparison.Ordinal)));
            if (next is null)
                break;
            length += next.Length;
        }
        return length == 0 ? "" : all[0][..length];
    }

    /// <summary>What to say first where weights do not fit a network: a sentence, or nothing.</summary>
    public static string Advice(IReadOnlyDictionary<string, long[]> shapes, string? architecture)
    {
        if (Recognise(shapes) is string found && !found.Equals(architecture, StringComparison.OrdinalIgnoreCase))
            return $"This looks like '{found}': set Arch to it.";
        if (shapes.Keys.Any(name => name.StartsWith("resnet.embedder.", StringComparison.Ordinal)
            || name.StartsWith("vit.embeddings.", StringComparison.Ordinal)
                || name.StartsWith("embedder.embedder.", StringComparison.Ordinal)
                    || name.StartsWith("embeddings.patch_embeddings.", StringComparison.Ordinal)))
        {
            return "The names are those of Hugging Face's library transformers; take the same network's file by timm or torchvision, " +
                "whose names these networks have (for example timm/resnet18.tv_in1k).";
        }

        return "";
    }
}
