using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Augmented pixels [B, C, H, W], not normalised yet.</summary>
/// <param name="Pixels">Bytes or floats, in the units of the pixels as they are stored.</param>
/// <param name="Share">
/// With mixup or CutMix, the share of each row's own label, [B]; the rest is <see cref="LabelMixing.Partners"/>'.
/// </param>
internal readonly record struct AugmentedBatch(Tensor Pixels, Tensor? Share = null);
