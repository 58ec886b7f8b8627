using System.Numerics.Tensors;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Looks for scores that are said to be logits and are probabilities: their softmax is nearly the same for all classes.</summary>
internal sealed class LogitWatch(ScoreKind kind)
{
    private long _rows;
    private bool _isDoubtful = kind == ScoreKind.Logits;

    /// <param name="scores">A row as it came.</param>
    public void See(ReadOnlySpan<float> scores)
    {
        if (!_isDoubtful || !float.IsFinite(TensorPrimitives.Max(scores)))       // a row without scores says nothing
            return;
        _isDoubtful = ProbabilityRow.IsValid(scores);
        _rows++;
    }

    public void Report(IChannel channel, string columnName)
    {
        if (_isDoubtful && _rows > 0)
            channel.Warning($"The scores in '{columnName}' are taken as logits, but each of the {_rows} row(s) holds probabilities (none "
                + $"negative, their sum 1), of which softmax makes nearly equal ones. Leave {nameof(ScoreKind)}.{nameof(ScoreKind.Logits)} "
                + "out where the model gives probabilities.");
    }
}
