using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>One parameter of the flat vectors: where it lies, and how it is trained.</summary>
internal sealed class FlatParameter(string name, Parameter parameter, Tensor gradientView, long offset, ParameterGroup? group)
{
    public string Name => name;

    public Parameter Parameter => parameter;

    /// <summary>Its part of G, in its shape.</summary>
    public Tensor GradientView => gradientView;

    public long Offset => offset;

    public long Length { get; } = parameter.numel();

    public bool IsMatrix { get; } = parameter.dim() > 1;

    public double LearningRateFactor { get; set; } = group?.LearningRateFactor ?? 1;

    /// <summary>Weight decay of its group; null is the base optimiser's.</summary>
    public double? WeightDecay { get; set; } = group?.WeightDecay;

    public double RhoFactor { get; set; } = group?.RhoFactor ?? 1;

    /// <summary>Whether the latest pass made a gradient for it.</summary>
    public bool HasGradient { get; set; }

    /// <summary>In how many steps it was updated.</summary>
    public long Steps { get; set; }
}
