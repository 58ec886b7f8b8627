namespace Microsoft.ML.SharpnessAware;

/// <summary>What the values of a score column are.</summary>
public enum ScoreKind
{
    /// <summary>Class probabilities: none negative, their sum 1. What most of ML.NET's multiclass trainers give.</summary>
    Probabilities,

    /// <summary>
    /// Logits, any numbers of which softmax makes probabilities: what a network's last layer gives, and the trainers of
    /// Microsoft.ML.TorchSharp. Not OneVersusAll or PairwiseCoupling, which give probabilities.
    /// </summary>
    Logits,
}
