using System.Globalization;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Evidence;

/// <summary>A way to train: what a step minimises and by which loss.</summary>
/// <param name="Name">The name in the CSV files, without commas.</param>
/// <param name="Minimises">What a step minimises.</param>
/// <param name="Loss">The loss of a sample.</param>
internal sealed record Method(string Name, SharpnessAwareMethod Minimises, ClassificationLoss Loss)
{
    private static readonly ClassificationLoss CrossEntropy = new ClassificationLoss.CrossEntropy();

    public static Method Base { get; } = new("base", SharpnessAwareMethod.Standard, CrossEntropy);

    public static Method LabelSmoothing { get; } =
        new("base + label smoothing 0.05", SharpnessAwareMethod.Standard, new ClassificationLoss.CrossEntropy(LabelSmoothing: 0.05));

    public static Method Focal { get; } = new("base + focal loss 2", SharpnessAwareMethod.Standard, new ClassificationLoss.Focal(2));

    public static Method Sam(double rho) => new("SAM", SharpnessAwareMethod.Sam(rho), CrossEntropy);

    public static Method Ssam(double rho) => new("SSAM", SharpnessAwareMethod.Ssam(rho), CrossEntropy);

    public static Method Csam(double rho, double gamma) =>
        new(string.Create(CultureInfo.InvariantCulture, $"CSAM {gamma}"), SharpnessAwareMethod.Csam(rho, gamma), CrossEntropy);

    /// <summary>The four that most experiments compare.</summary>
    public static Method[] Four(Radii radii) => [Base, Sam(radii.Sam), Ssam(radii.Ssam), Csam(radii.Csam, 1)];
}
