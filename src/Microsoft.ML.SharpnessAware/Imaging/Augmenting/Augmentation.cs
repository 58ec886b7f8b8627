using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Random changes to training images that leave their class alone, drawn anew for every image and epoch. A network that never sees quite
/// the same image twice overfits less. Validation and scoring never use it.
/// </summary>
/// <remarks>
/// <para>
/// The values to start from are <see cref="None"/>, <see cref="Light"/>, <see cref="Flip"/>, <see cref="Standard"/> and <see
/// cref="Strong"/>; look at what one does to your images with <see cref="SaveContactSheet"/>. An image passes through, in this order:
/// pad-and-crop, flip, random resized crop, rotation, RandAugment, colour jitter, cutout, and then mixup or CutMix with another image of
/// its mini-batch.
/// </para>
/// <para>
/// What happens to an image depends on the seed, the epoch and the image's place in the training data: not on the number of threads, nor on
/// the images that it shares a mini-batch with, save for the partner in <see cref="Mixup"/> and <see cref="CutMix"/>.
/// </para>
/// </remarks>
public sealed partial record Augmentation
{
    /// <summary>The images as they are.</summary>
    public static Augmentation None { get; } = new();

    /// <summary>
    /// Shifted by up to 2 pixels, turned by up to 10 degrees, brightness and contrast changed by up to a fifth: what the class of nearly
    /// everything survives, digits, letters and whatever else must not be mirrored included.
    /// </summary>
    public static Augmentation Light { get; } = new() { CropPadding = 2, Rotation = 10, ColorJitter = new(Brightness: 0.2, Contrast: 0.2) };

    /// <summary>Half of the images are mirrored left to right.</summary>
    public static Augmentation Flip { get; } = new() { HorizontalFlip = true };

    /// <summary>
    /// Mirrored, and shifted by up to 4 pixels: what residual networks are trained with on 32 × 32 images since He et al. 2016, §4.2.
    /// Larger images deserve a larger <see cref="CropPadding"/>, about an eighth of their side.
    /// </summary>
    public static Augmentation Standard { get; } = new() { HorizontalFlip = true, CropPadding = 4 };

    /// <summary>
    /// Mirrored, cropped to at least a third of their area, changed by RandAugment (2, 9), and a square of a quarter of their side cut out:
    /// for long trainings on photographs. It mixes no labels, since a network that is trained on mixed labels learns to be less confident
    /// than it is right; add <see cref="Mixup"/> or <see cref="CutMix"/> and look at its calibration.
    /// </summary>
    public static Augmentation Strong { get; } = new()
    {
        HorizontalFlip = true,
        RandomResizedCrop = new(MinimumScale: 0.35),
        RandAugment = new(),
        Cutout = 0.25,
    };

    /// <summary>Mirrors each image left to right with probability one half. Default false.</summary>
    public bool HorizontalFlip { get; init; }

    /// <summary>
    /// Shifts each image by a whole number of pixels from -CropPadding to +CropPadding, independently in both directions: the image is
    /// padded with zeros (black) and cut back to its size at random. Default 0: no shift.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or above 1024.</exception>
    public int CropPadding
    {
        get;
        init => field = value is >= 0 and <= 1024
            ? value
            : throw new ArgumentOutOfRangeException(nameof(CropPadding), value, "CropPadding must be 0 to 1024 pixels.");
    }

    /// <summary>Cuts a random part out of each image and enlarges it to the image's size. Default null: no.</summary>
    public RandomResizedCrop? RandomResizedCrop { get; init; }

    /// <summary>
    /// Turns each image about its centre by an angle drawn evenly from -Rotation to +Rotation degrees; what comes from outside the image is
    /// black. Default 0: no rotation.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 180].</exception>
    public double Rotation { get; init => field = Require.Within(value, 0, 180, nameof(Rotation)); }

    /// <summary>Random operations out of fourteen on each image, two by default where it is set (Cubuk et al. 2020). Default null:
    /// none.</summary>
    public RandAugment? RandAugment { get; init; }

    /// <summary>Changes brightness, contrast, saturation and hue of each image. Default null: no.</summary>
    public ColorJitter? ColorJitter { get; init; }

    /// <summary>
    /// Hides a square of each image behind the mean colour (DeVries and Taylor 2017): that which the trainer's <c>Normalization</c> takes
    /// away, of the training images or, where the network starts from weights that tell it, of the images that these were trained on. The
    /// value is the square's side as a share of the image's shorter side. Its centre is anywhere in the image, so part of it may lie
    /// outside. Default 0: none; the paper used 0.5 on CIFAR-10 (16 pixels) and 0.25 on CIFAR-100.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in [0, 1].</exception>
    public double Cutout { get; init => field = Require.Within(value, 0, 1, nameof(Cutout)); }

    /// <summary>
    /// Mixes each image with another of its mini-batch, λ parts to 1 - λ, and its loss likewise: λ ℓ(y₁) + (1 - λ) ℓ(y₂) (Zhang et al.
    /// 2018).
    /// λ is drawn for each image from the beta distribution B(α, α), and this is its α. Default 0: no mixing; the paper used 0.2 on
    /// ImageNet and 1 on CIFAR. The partner is the image before it in the mini-batch, whose order is drawn anew every epoch.
    /// </summary>
    /// <remarks>With <see cref="CutMix"/> above 0 too, each image gets one of the two, with probability one half.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double Mixup { get; init => field = Require.NonNegative(value, nameof(Mixup)); }

    /// <summary>
    /// Replaces a rectangle of each image by that of another of its mini-batch and weighs the losses by area (Yun et al. 2019). The area's
    /// share is 1 - λ with λ from the beta distribution B(α, α), and this is its α. Default 0: none; the paper used 1. The rectangle's
    /// centre is anywhere in the image; λ is corrected for what lies outside. The partner is the one of <see cref="Mixup"/>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, infinite or not a number.</exception>
    public double CutMix { get; init => field = Require.NonNegative(value, nameof(CutMix)); }

    internal bool MixesLabels => Mixup > 0 || CutMix > 0;

    /// <summary>Whether pixel values are changed in a way that needs to know which value is white.</summary>
    internal bool ChangesColors => RandAugment is { NumberOfOperations: > 0 } || ColorJitter is { IsIdentity: false };

    /// <summary>What is done, for logs: <c>flip, crop padding 4</c>.</summary>
    public override string ToString()
    {
        List<string> parts = [];
        if (HorizontalFlip)
            parts.Add("flip");
        if (CropPadding > 0)
            Add($"crop padding {CropPadding}");
        if (RandomResizedCrop is { } crop)
            Add($"random resized crop ({crop})");
        if (Rotation > 0)
            Add($"rotation ±{Rotation}°");
        if (RandAugment is { } randAugment)
            Add($"RandAugment ({randAugment})");
        if (ColorJitter is { } jitter)
            Add($"colour jitter ({jitter})");
        if (Cutout > 0)
            Add($"cutout {Cutout}");
        if (Mixup > 0)
            Add($"mixup {Mixup}");
        if (CutMix > 0)
            Add($"CutMix {CutMix}");
        return parts.Count == 0 ? "none" : string.Join(", ", parts);

        void Add(FormattableString part) => parts.Add(part.ToString(CultureInfo.InvariantCulture));
    }
}
