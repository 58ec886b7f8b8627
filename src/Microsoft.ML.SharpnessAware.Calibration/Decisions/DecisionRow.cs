using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The probabilities of the current row, read once however many columns ask.</summary>
internal sealed class DecisionRow(DataViewRow input, DataViewSchema.Column score, ScoreKind kind)
{
    private readonly ValueGetter<VBuffer<float>> _getScore = input.GetGetter<VBuffer<float>>(score);
    private readonly SourceRow _source = new(input);
    private readonly float[] _probabilities = new float[ScoreColumns.NumberOfClasses(score)];
    private VBuffer<float> _buffer;
    private long _position = -1;

    /// <summary>Whether the row is another than at the last call; then it has been read.</summary>
    /// <exception cref="InvalidOperationException">The row does not hold what it should.</exception>
    public bool MoveToCurrent()
    {
        if (_position == input.Position)
            return false;
        _getScore(ref _buffer);
        if (!ScoreVector.TryCopy(_buffer, _probabilities))
            throw ScoreVector.OfOtherLength(score, _source.Number, _buffer);
        if (ScoreRow.ToProbabilities(_probabilities, kind) is string problem)
            throw ScoreRow.Unusable(score.Name, kind, _source.Number, problem);
        _position = input.Position;
        return true;
    }

    public ReadOnlySpan<float> Probabilities => _probabilities;
}
