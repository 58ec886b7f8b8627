using System.Numerics.Tensors;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Calibrates row by row.</summary>
internal sealed class CalibratorRowMapper(
    MulticlassCalibratorTransformer transformer, DataViewSchema.Column score, DataViewSchema.DetachedColumn[] outputs) : IRowMapper
{
    public DataViewSchema.DetachedColumn[] GetOutputColumns() => outputs;

    public Func<int, bool> GetDependencies(Func<int, bool> activeOutput)
    {
        bool any = Enumerable.Range(0, outputs.Length).Any(activeOutput);
        return column => any && column == score.Index;
    }

    public Delegate[] CreateGetters(DataViewRow input, Func<int, bool> activeOutput, out Action? disposer)
    {
        disposer = null;
        var getters = new Delegate[outputs.Length];
        if (!Enumerable.Range(0, outputs.Length).Any(activeOutput))
            return getters;

        var row = new CalibratedRow(transformer.Calibrator, score, input);
        if (activeOutput(ScoreColumns.Score))
            getters[ScoreColumns.Score] = (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
                ProbabilityBuffer.Copy(row.Current(), ref value));
        if (outputs.Length > ScoreColumns.PredictedLabel && activeOutput(ScoreColumns.PredictedLabel))
            getters[ScoreColumns.PredictedLabel] = KeyGetter(outputs[ScoreColumns.PredictedLabel].Type.RawType, row);
        return getters;
    }

    public ITransformer GetTransformer() => transformer;

    void ICanSaveModel.Save(ModelSaveContext ctx) => ((ICanSaveModel)transformer).Save(ctx);

    private static Delegate KeyGetter(Type type, CalibratedRow row) =>
        type == typeof(byte) ? (ValueGetter<byte>)((ref byte key) => key = (byte)row.Key())
        : type == typeof(ushort) ? (ValueGetter<ushort>)((ref ushort key) => key = (ushort)row.Key())
        : type == typeof(uint) ? (ValueGetter<uint>)((ref uint key) => key = row.Key())
        : (ValueGetter<ulong>)((ref ulong key) => key = row.Key());

    /// <summary>The calibrated probabilities of the current row, computed once however many columns ask.</summary>
    private sealed class CalibratedRow(MulticlassCalibrator calibrator, DataViewSchema.Column score, DataViewRow input)
    {
        private readonly ValueGetter<VBuffer<float>> _getScore = input.GetGetter<VBuffer<float>>(score);
        private readonly float[] _probabilities = new float[calibrator.NumberOfClasses];
        private readonly ValueGetter<DataViewRowId> _getId = input.GetIdGetter();
        private VBuffer<float> _buffer;
        private long _position = -1;
        private bool _isMissing;

        public ReadOnlySpan<float> Current()
        {
            if (_position == input.Position)
                return _probabilities;

            _getScore(ref _buffer);
            _buffer.CopyTo(_probabilities);
            _isMissing = float.IsNaN(TensorPrimitives.Min<float>(_probabilities));
            if (!_isMissing)
            {
                if (ProbabilityRow.Problem(_probabilities) is string problem)
                    throw ScoredColumns.NotProbabilities(score.Name, $"row {RowNumber()} (counted from 0)", problem);
                calibrator.Apply(_probabilities, _probabilities);
            }

            _position = input.Position;
            return _probabilities;
        }

        // ML.NET shares rows out among threads, each of which counts its own; the id is that of the source, for most the number of the row.
        private long RowNumber()
        {
            DataViewRowId id = default;
            _getId(ref id);
            return id.High == 0 ? (long)id.Low : input.Position;
        }

        /// <summary>The key of the most probable class, counted from 1; 0, a missing value, where a score is NaN.</summary>
        public uint Key()
        {
            ReadOnlySpan<float> probabilities = Current();
            return _isMissing ? 0 : ProbabilityBuffer.Key(probabilities);
        }
    }
}
