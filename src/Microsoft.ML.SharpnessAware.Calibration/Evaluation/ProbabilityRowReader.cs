using System.Numerics.Tensors;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The probabilities, or the scores as they came, of the current row, read once however many columns ask.</summary>
/// <param name="input">The rows.</param>
/// <param name="score">The scores.</param>
/// <param name="kind">What they are.</param>
/// <param name="keepsNaN">Whether a row that holds NaN stays as it is; else it is refused.</param>
/// <param name="keepsLogits">Whether logits stay logits.</param>
internal sealed class ProbabilityRowReader(
    DataViewRow input, DataViewSchema.Column score, ScoreKind kind, bool keepsNaN = false, bool keepsLogits = false)
{
    private readonly ValueGetter<VBuffer<float>> _getScore = input.GetGetter<VBuffer<float>>(score);
    private readonly SourceRow _source = new(input);
    private readonly float[] _probabilities = new float[ScoreColumns.NumberOfClasses(score)];
    private VBuffer<float> _buffer;
    private long _position = -1;

    /// <summary>Reads the row if it is another than at the last call. Whether these are other probabilities, then; NaN that stays is
    /// none.</summary>
    /// <exception cref="InvalidOperationException">The row does not hold what it should.</exception>
    public bool MoveToCurrent()
    {
        if (_position == input.Position)
            return false;
        _getScore(ref _buffer);
        if (!ScoreVector.TryCopy(_buffer, _probabilities))
            throw ScoreVector.OfOtherLength(score, _source.Number, _buffer);
        bool isKept = keepsNaN && float.IsNaN(TensorPrimitives.Min<float>(_probabilities));
        if (!isKept && ScoreRow.Problem(_probabilities, kind) is string problem)
            throw ScoreRow.Unusable(score.Name, kind, _source.Number, problem);
        if (!isKept && !keepsLogits)
            ScoreRow.Probabilities(_probabilities, kind, _probabilities);
        _position = input.Position;
        return !isKept;
    }

    /// <summary>Of the row that was read; they may be changed.</summary>
    public Span<float> Probabilities => _probabilities;
}
