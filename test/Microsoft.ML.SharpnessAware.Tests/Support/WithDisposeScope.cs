using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Tests whose tensors go with each of them (but not those of its fields, which are made before).</summary>
public abstract class WithDisposeScope
{
    private readonly DisposeScope _scope = NewDisposeScope();

    [TestCleanup]
    public void DisposeOfTensors() => _scope.Dispose();
}
