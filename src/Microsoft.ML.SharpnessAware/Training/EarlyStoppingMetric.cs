namespace Microsoft.ML.SharpnessAware;

/// <summary>The validation metric that <see cref="EarlyStopping"/> watches.</summary>
public enum EarlyStoppingMetric
{
    /// <summary>Validation accuracy; higher is better.</summary>
    Accuracy,

    /// <summary>Validation log loss; lower is better. Notices over-confidence, which accuracy does not.</summary>
    Loss,
}
