using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The vision transformer (Dosovitskiy et al. 2021) in the tiny and small sizes of DeiT (Touvron et al. 2021), parameter for parameter
/// timm's: 12 blocks, a class token, learned positions. Patches are 16×16 pixels for images of at least 112×112 and 4×4 below; both sides
/// must be a multiple of the patch. The image size is fixed when the network is made, because each position has its own embedding.
/// </summary>
internal sealed class VisionTransformer : nn.Module<Tensor, Tensor>, IOnnxNetwork
{
    /// <summary>The sides that patches have, in pixels.</summary>
    internal const int LargePatch = 16, SmallPatch = 4;

    /// <summary>From which width and height on images are cut into the large ones.</summary>
    internal const int LeastSideOfLargePatches = 112;

    private const int Depth = 12;
    private const double NormEpsilon = 1e-6;

    [ComponentName(Name = "cls_token")] private readonly Parameter _classToken;
    [ComponentName(Name = "pos_embed")] private readonly Parameter _positions;
    [ComponentName(Name = "patch_embed")] private readonly Sequential _patchEmbedding;
    [ComponentName(Name = "blocks")] private readonly Sequential _blocks;
    [ComponentName(Name = "norm")] private readonly LayerNorm _norm;
    [ComponentName(Name = "head")] private readonly Linear _head;

    private VisionTransformer(int width, int heads, int numberOfClasses, ImageShape input)
        : base(nameof(VisionTransformer))
    {
        int patch = PatchSize(input);
        if (input.Height % patch != 0 || input.Width % patch != 0)
        {
            ImageShape next = RoundUp(RoundUp(input));          // larger images may have larger patches
            throw new ArgumentException(
                $"The vision transformer cuts images of this size into patches of {patch}×{patch} pixels, so width and height must be " +
                $"multiples of {patch}; these are {input.Width}×{input.Height}. " +
                $"{next.Width}×{next.Height} is the next size that works.", nameof(input));
        }

        int patches = input.Height / patch * (input.Width / patch);
        _classToken = NewParameter(1, 1, width);
        _positions = NewParameter(1, 1 + patches, width);
        _patchEmbedding = nn.Sequential(("proj", nn.Conv2d(input.Channels, width, patch, stride: patch)));
        _blocks = nn.Sequential(Enumerable.Range(0, Depth).Select(_ => new TransformerBlock(width, heads, NormEpsilon)));
        _norm = nn.LayerNorm(width, NormEpsilon);
        _head = nn.Linear(width, numberOfClasses);
        RegisterComponents();
        Initialize();
    }

    /// <summary>The side of a patch, in pixels.</summary>
    internal static int PatchSize(ImageShape input) =>
        Math.Min(input.Height, input.Width) >= LeastSideOfLargePatches ? LargePatch : SmallPatch;

    internal static VisionTransformer Tiny(int numberOfClasses, ImageShape input) => new(192, 3, numberOfClasses, input);

    internal static VisionTransformer Small(int numberOfClasses, ImageShape input) => new(384, 6, numberOfClasses, input);

    // The norm works on each token alone, so it is enough to apply it to the one that the head reads.
    public override Tensor forward(Tensor input) =>
        Embed(input)
            .Then(_blocks)
            .Then(static x => x.select(1, 0))
            .Then(_norm).Then(_head);

    public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
    {
        // Their number and not -1, which no runtime can tell where there are no images.
        OnnxValue patches = graph.Transpose(graph.Reshape(graph.Layer(_patchEmbedding, input), 0, 0, _positions.shape[1] - 1), 0, 2, 1);
        OnnxValue batch = graph.Operator("Gather", [graph.Operator("Shape", [input]), graph.Vector(0)], ("axis", 0L));
        OnnxValue shape = graph.Operator("Concat", [batch, graph.Vector(1, 1)], ("axis", 0L));
        OnnxValue classTokens = graph.Operator("Expand", [graph.Constant(_classToken), shape]);
        OnnxValue tokens = graph.Operator("Concat", [classTokens, patches], ("axis", 1L));
        OnnxValue encoded = graph.Layer(_blocks, graph.Add(tokens, graph.Constant(_positions)));
        return graph.Layer(_head, graph.Layer(_norm, graph.Select(encoded, 1, 0)));
    }

    /// <summary>[batch, channels, height, width] to [batch, 1 + patches, width of the tokens].</summary>
    private Tensor Embed(Tensor images)
    {
        using Tensor patches = _patchEmbedding.call(images)
            .Then(static x => x.flatten(2))
            .Then(static x => x.transpose(1, 2));
        using Tensor classTokens = _classToken.expand(images.shape[0], -1, -1);
        return cat([classTokens, patches], 1).add_(_positions, FixedScalars.One);
    }

    /// <summary>Whole patches, of the size that images of this size have.</summary>
    private static ImageShape RoundUp(ImageShape input)
    {
        int patch = PatchSize(input);
        return input with { Height = WholePatches(input.Height), Width = WholePatches(input.Width) };

        int WholePatches(int side) => (side + patch - 1) / patch * patch;
    }

    // As timm does. Its truncated normal cuts at ±2, a hundred standard deviations, so it is a normal distribution.
    // (TorchSharp 0.107's trunc_normal_ swaps mean and deviation and fills the tensor with a constant.)
    private void Initialize()
    {
        nn.init.normal_(_classToken, 0, 1e-6);
        nn.init.normal_(_positions, 0, 0.02);
        foreach (Linear linear in modules().OfType<Linear>())
        {
            nn.init.normal_(linear.weight, 0, 0.02);
            nn.init.zeros_(linear.bias);
        }
    }

    private static Parameter NewParameter(params long[] shape) => (Parameter)nn.Parameter(empty(shape)).DetachFromDisposeScope();
}
