namespace Microsoft.ML.SharpnessAware;

/// <summary>A residual block whose batch norms can be folded into its convolutions.</summary>
internal interface IFoldable
{
    /// <summary>The block as it is in evaluation mode, with the weights that it has now.</summary>
    FoldedBlock Fold();
}
