using Microsoft.ML.SharpnessAware.Tests.Calibration;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class AugmentationTests
{
    [TestMethod]
    public void PresetsAreWhatTheySay()
    {
        Assert.AreEqual(new Augmentation(), Augmentation.None);
        Assert.AreEqual(new Augmentation { HorizontalFlip = true }, Augmentation.Flip);
        Assert.AreEqual(new Augmentation { HorizontalFlip = true, CropPadding = 4 }, Augmentation.Standard);
        Assert.IsFalse(Augmentation.Light.HorizontalFlip);
        foreach (Augmentation preset in new[] { Augmentation.Light, Augmentation.Standard, Augmentation.Strong })
            Assert.IsFalse(preset.MixesLabels);
    }

    [TestMethod]
    public void SettingsOutOfRangeAreRefusedByName()
    {
        AssertNamed("CropPadding", () => _ = new Augmentation { CropPadding = -1 });
        AssertNamed("CropPadding", () => _ = Augmentation.Flip with { CropPadding = 1025 });
        AssertNamed("Rotation", () => _ = new Augmentation { Rotation = 181 });
        AssertNamed("Cutout", () => _ = new Augmentation { Cutout = 1.1 });
        AssertNamed("Mixup", () => _ = new Augmentation { Mixup = -0.1 });
        AssertNamed("CutMix", () => _ = new Augmentation { CutMix = double.NaN });
        AssertNamed("MinimumScale", () => _ = new RandomResizedCrop(MinimumScale: 0));
        AssertNamed("MaximumScale", () => _ = new RandomResizedCrop() with { MaximumScale = 2 });
        AssertNamed("MaximumRatio", () => _ = new RandomResizedCrop(MaximumRatio: 0.5));
        AssertNamed("NumberOfOperations", () => _ = new RandAugment(15));
        AssertNamed("Magnitude", () => _ = new RandAugment() with { Magnitude = 31 });
        AssertNamed("Hue", () => _ = new ColorJitter(Hue: 0.6));
        AssertNamed("Brightness", () => _ = new ColorJitter(Brightness: -1));

        static void AssertNamed(string name, Action action) =>
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(action).ParamName);
    }

    [TestMethod]
    public void TextSaysWhatIsDoneAndNothingElse()
    {
        using var culture = new CultureScope("de-DE");
        Assert.AreEqual("none", Augmentation.None.ToString());
        Assert.AreEqual("flip, crop padding 4", Augmentation.Standard.ToString());
        Assert.AreEqual("crop padding 2, rotation ±10°, colour jitter (brightness 0.2, contrast 0.2)", Augmentation.Light.ToString());
        Assert.AreEqual(
            "flip, random resized crop (scale 0.35–1, ratio up to 1.333), RandAugment (2, 9), cutout 0.25, mixup 0.2, CutMix 1",
            (Augmentation.Strong with { Mixup = 0.2, CutMix = 1 }).ToString());
    }

    [TestMethod]
    public void WhatChangesNothingNeedsNoColors()
    {
        Assert.IsFalse(Augmentation.Standard.ChangesColors);
        Assert.IsFalse(new Augmentation { ColorJitter = new(), RandAugment = new(NumberOfOperations: 0) }.ChangesColors);
        Assert.IsTrue(Augmentation.Light.ChangesColors);
        Assert.IsTrue(Augmentation.Strong.ChangesColors);
    }
}
