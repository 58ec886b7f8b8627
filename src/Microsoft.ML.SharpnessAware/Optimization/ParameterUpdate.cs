using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A base optimiser's update rule on the flat vectors, and the state that it keeps between steps.</summary>
internal abstract class ParameterUpdate : IDisposable
{
    /// <summary>The rule's name in saved state.</summary>
    public abstract string Name { get; }

    /// <summary>Flat vectors as long as the weights (momentum, moments), in the order in which they are saved.</summary>
    public abstract IReadOnlyList<Tensor> State { get; }

    /// <summary>Changes W by G. G may be overwritten. Called without gradient recording, inside a dispose scope.</summary>
    /// <param name="learningRate">η of this step.</param>
    /// <param name="step">Number of this step, from 1.</param>
    public abstract void Apply(double learningRate, long step);

    public void Dispose()
    {
        foreach (Tensor tensor in State)
            tensor.Dispose();
    }
}
