namespace Microsoft.ML.SharpnessAware;

/// <summary>The validation metric that <see cref="EarlyStopping"/> watches.</summary>
public enum EarlyStoppingMetric
{
    /// <summary>Validation accuracy; higher is better.</summary>
    Accuracy,

    /// <summary>Validation log loss; lower is better. Notices over-confidence, which accuracy does not.</summary>
    Loss,

    /// <summary>
    /// Validation log loss after the best temperature (<see cref="EpochMetrics.ValidationRefinement"/>); lower is better. Notices what a
    /// temperature cannot mend: how well the classes are told apart. A network is often overconfident before it has learnt all that it
    /// can, and <see cref="Loss"/> then stops too early (<see href="https://arxiv.org/abs/2501.19195">Berta et al. 2025</see>).
    /// </summary>
    Refinement,
}
