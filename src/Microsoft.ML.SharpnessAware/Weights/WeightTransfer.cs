using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Brings weights that were trained on other data into a network: by name and shape as <see cref="ModuleWeights"/>, but with the
/// adjustments that are usual where number of classes, image size or channels differ.
/// </summary>
/// <remarks>
/// A head of other classes, of another number of them, or none, leaves the network's own; one of the same classes in another order has its
/// rows put into that of the data. An input convolution of three channels is summed over them for grey images. Positions of a vision
/// transformer are resized where the grid of patches differs. Floating-point types are converted. How many batches a batch norm has seen
/// does not matter: it is taken where it is one whole number. Everything else must agree.
/// </remarks>
internal static class WeightTransfer
{
    private const string PositionsName = "pos_embed";
    private const int MostListed = 8;

    /// <summary>What embeds the patches of a vision transformer, [width, channels, side, side].</summary>
    public const string PatchesName = "patch_embed.proj.weight";

    /// <summary>Copies the weights into the network's parameters and buffers.</summary>
    /// <param name="network">The network; unchanged where the weights do not fit.</param>
    /// <param name="head">The network's head; null where it has none that can be told.</param>
    /// <param name="input">The images that the network was made for.</param>
    /// <param name="weights">The weights by name.</param>
    /// <param name="architecture">The network's name, for messages.</param>
    /// <param name="madeFor">The images that the file's network was made for, where it tells; else its patches are taken for a square.
    /// </param>
    /// <param name="classes">How the data's classes differ from those of the file's head, as a clause, or the row of each where they stand
    /// in another order; neither where rows stay where they are.</param>
    /// <returns>What was not simply copied, a sentence each.</returns>
    /// <exception cref="InvalidDataException">Tensors are missing, extra, of another shape or not finite: the first of each kind, how many
    /// there are, and what may be the matter.</exception>
    internal static IReadOnlyList<string> Load(
        nn.Module network, ClassificationHead? head, ImageShape input, IReadOnlyDictionary<string, Tensor> weights,
        string? architecture = null, ImageShape? madeFor = null, (string? Difference, int[]? Rows) classes = default)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Dictionary<string, Tensor> own = ModuleWeights.Of(network);
        IReadOnlyList<string> contradictions = TiedTensors.Contradictions(own, weights);
        weights = TiedTensors.Complete(own, weights);
        (long Rows, long Columns)? grid = PatchGrid(own, input), gridOfFile = PatchGrid(weights, madeFor);
        var notes = new List<string>();
        List<string> missing = [], mismatched = [], notFinite = [];
        string[] extra = [.. weights.Keys.Where(name => !own.ContainsKey(name) && !IsCounter(name)).Order(StringComparer.Ordinal)];
        bool keepHead = head is not null && KeepsOwnHead(head, own, weights, classes.Difference, notes);
        Tensor? rows = head is null || keepHead ? null : OtherOrder(head, classes.Rows, notes);
        if (head is null && (classes.Difference is not null || classes.Rows is not null))
        {
            notes.Add("The file's classes are others than the data's, or in another order, and the network has no head that could be " +
                "told: all of it is taken as it is.");
        }

        var copies = new List<(Tensor Target, Tensor Source)>();

        foreach ((string name, Tensor target) in own)
        {
            if (keepHead && head!.Owns(name))
                continue;
            if (!weights.TryGetValue(name, out Tensor? source))
            {
                if (!IsCounter(name))
                    missing.Add($"{name} {Shape(target)}");
                continue;
            }
            if (IsCounter(name) && (source.is_floating_point() || source.numel() != 1))
                continue;
            if (source.is_floating_point() != target.is_floating_point() || Fit(name, source, target) is not Tensor fitting)
                mismatched.Add($"{name} (the network has {target.dtype} {Shape(target)}, the file {source.dtype} {Shape(source)})");
            else if (fitting.is_floating_point() && !fitting.isfinite().all().item<bool>())
                notFinite.Add(name);
            else
                copies.Add((target, rows is not null && head!.Owns(name) ? fitting.index_select(0, rows) : fitting));
        }

        ThrowIfAny(
            AdviceOnPatches(own, weights, input)
                ?? PublishedNetwork.Advice(weights.ToDictionary(entry => entry.Key, entry => entry.Value.shape), architecture),
            ("Missing", missing), ("Not in the network", extra), ("Of another shape or type", mismatched),
            ("With NaN or infinite values", notFinite), ("One tensor in the network and different ones in the file", contradictions));
        foreach ((Tensor target, Tensor source) in copies)
            target.copy_(source);
        return notes;

        // The source in the shape of the target; null where it cannot be brought to it.
        Tensor? Fit(string name, Tensor source, Tensor target)
        {
            if (name == PositionsName && grid is { } to && source.shape is [1, > 1, long width]
                && target.shape is [_, _, long own] && width == own && GridOf(source, gridOfFile) is { } from && from != to)
                return ResizePositions(source, from, to, notes);
            if (source.shape.SequenceEqual(target.shape))
                return source;
            if (IsCounter(name))
                return source.reshape(target.shape);
            if (source.shape is not [long outputs, 3, long height, long breadth]
                || !target.shape.SequenceEqual([outputs, 1, height, breadth]))
                return null;
            notes.Add($"'{name}' was summed over its 3 input channels, because the images are grey.");
            return source.to(float32).sum(1, keepdim: true);
        }
    }

    /// <summary>Batch norm's count of batches, which only matters without momentum; files of before PyTorch 0.4.1 lack it.</summary>
    private static bool IsCounter(string name) => name.EndsWith("num_batches_tracked", StringComparison.Ordinal);

    private static bool KeepsOwnHead(ClassificationHead head, Dictionary<string, Tensor> own, IReadOnlyDictionary<string, Tensor> weights,
        string? differenceOfClasses, List<string> notes)
    {
        string[] names = [.. own.Keys.Where(head.Owns)];
        if (!names.Any(weights.ContainsKey))
        {
            notes.Add($"The file has no head; '{head.Name}' starts from random weights.");
            return true;
        }
        // Only the classes may differ. Anything else is another network's head and is listed with the rest.
        if (!names.All(name => weights.TryGetValue(name, out Tensor? tensor) && tensor.dim() == own[name].dim()
                && tensor.shape.Skip(1).SequenceEqual(own[name].shape.Skip(1))))
            return false;
        long classes = head.Layer.weight.shape[0], fileClasses = weights[names[0]].shape[0];
        if (names.Any(name => weights[name].shape[0] != fileClasses))
            return false;
        if (fileClasses != classes)
        {
            notes.Add($"The file's head '{head.Name}' has {fileClasses} classes and the data {classes}; it starts from random weights.");
            return true;
        }

        if (differenceOfClasses is null)
            return false;
        notes.Add($"The file's head '{head.Name}' is of other classes: the data {differenceOfClasses}. It starts from random weights.");
        return true;
    }

    /// <summary>The rows of the file's head in the order of the data's classes, to select by; null where they stay where they
    /// are.</summary>
    private static Tensor? OtherOrder(ClassificationHead head, int[]? rows, List<string> notes)
    {
        if (rows is null)
            return null;
        notes.Add($"The file's head '{head.Name}' has the data's classes in another order; each row goes with the name of its class.");
        return tensor(Array.ConvertAll(rows, row => (long)row), device: CPU);
    }

    /// <summary>Rows and columns of the patches that a vision transformer cuts images into; null for other networks.</summary>
    private static (long Rows, long Columns)? PatchGrid(IReadOnlyDictionary<string, Tensor> weights, ImageShape? input) =>
        input is { } images && weights.ContainsKey(PositionsName)
        && weights.GetValueOrDefault(PatchesName)?.shape is [_, _, > 0 and long height, > 0 and long width]
            ? (images.Height / height, images.Width / width)
            : null;

    /// <summary>The grid of positions [1, 1 + patches, width]: the one that is known, or a square; else null.</summary>
    private static (long Rows, long Columns)? GridOf(Tensor positions, (long Rows, long Columns)? known)
    {
        long patches = positions.shape[1] - 1, side = (long)Math.Round(Math.Sqrt(patches));
        return known is var (rows, columns) && rows * columns == patches ? known : side * side == patches ? (side, side) : null;
    }

    /// <summary>The embeddings of the patches as an image, resized; that of the class token stays. As timm does.</summary>
    private static Tensor ResizePositions(
        Tensor source, (long Rows, long Columns) from, (long Rows, long Columns) to, List<string> notes)
    {
        long width = source.shape[2];
        notes.Add($"'{PositionsName}' was resized from {from.Rows}×{from.Columns} to {to.Rows}×{to.Columns} patches by bicubic " +
            "interpolation.");
        Tensor positions = source.to(float32);
        Tensor image = positions.narrow(1, 1, from.Rows * from.Columns).reshape(1, from.Rows, from.Columns, width).permute(0, 3, 1, 2);
        Tensor resized = nn.functional.interpolate(
            image, size: [to.Rows, to.Columns], mode: InterpolationMode.Bicubic, align_corners: false, antialias: true);
        return cat([positions.narrow(1, 0, 1), resized.permute(0, 2, 3, 1).reshape(1, to.Rows * to.Columns, width)], 1);
    }

    /// <summary>A sentence where the file's patches are of another size than the vision transformer's; else null.</summary>
    private static string? AdviceOnPatches(
        Dictionary<string, Tensor> own, IReadOnlyDictionary<string, Tensor> weights, ImageShape input) =>
        own.GetValueOrDefault(PatchesName)?.shape is [long width, _, _, long side]
        && weights.GetValueOrDefault(PatchesName)?.shape is [long widthInFile, _, _, long sideInFile]
        && width == widthInFile && side != sideInFile
            ? $"The file's network cuts images into patches of {sideInFile}×{sideInFile} pixels, and this one images of {input.Width}×" +
              $"{input.Height} into patches of {side}×{side}" + (sideInFile, side) switch
              {
                  (VisionTransformer.LargePatch, VisionTransformer.SmallPatch) =>
                      ": set ImageWidth and ImageHeight to the size that the file is for, which is 224 mostly.",
                  (VisionTransformer.SmallPatch, VisionTransformer.LargePatch) => ": set ImageWidth and ImageHeight to the size that " +
                      $"the file is for, which is below {VisionTransformer.LeastSideOfLargePatches}.",
                  (_, VisionTransformer.LargePatch or VisionTransformer.SmallPatch) =>
                      $". It cuts none into patches of {sideInFile}×{sideInFile}: take the file of a network with patches of " +
                      $"{VisionTransformer.LargePatch}×{VisionTransformer.LargePatch} (patch16 in its name).",
                  _ => ": take the file of a network with the same patches.",
              }
            : null;

    private static void ThrowIfAny(string advice, params (string Title, IReadOnlyCollection<string> Items)[] problems)
    {
        if (problems.All(problem => problem.Items.Count == 0))
            return;
        var message = new StringBuilder("The weights do not fit the network.");
        if (advice.Length > 0)
            message.Append($" {advice}");
        foreach ((string title, IReadOnlyCollection<string> items) in problems.Where(problem => problem.Items.Count > 0))
        {
            message.Append($" {title}: {string.Join(", ", items.Take(MostListed))}");
            message.Append(items.Count > MostListed ? $" and {items.Count - MostListed} more." : ".");
        }

        throw new InvalidDataException(message.ToString());
    }

    private static string Shape(Tensor tensor) => $"[{string.Join(", ", tensor.shape)}]";
}
