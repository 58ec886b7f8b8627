using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Calibrates row by row.</summary>
/// <param name="transformer">Whose calibrator it is.</param>
/// <param name="scoreKind">What the scores are.</param>
/// <param name="score">The column of scores.</param>
/// <param name="outputs">The columns that are made.</param>
/// <param name="classes">For each score its class in the calibrator; null where score k is class k.</param>
/// <param name="keys">For each score its key in PredictedLabel, counted from 0; null where score k is key k.</param>
/// <param name="values">For each score the value of its class, where PredictedLabel holds values and no keys any more.</param>
internal sealed class CalibratorRowMapper(
    MulticlassCalibratorTransformer transformer, ScoreKind scoreKind, DataViewSchema.Column score,
    DataViewSchema.DetachedColumn[] outputs, int[]? classes, int[]? keys, LabelValues? values)
    : IRowMapper, ISaveAsOnnx
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

        var row = new CalibratedRow(transformer.Calibrator, scoreKind, score, input, classes, keys);
        if (activeOutput(ScoreColumns.Score))
            getters[ScoreColumns.Score] = (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
                ProbabilityBuffer.Copy(row.Current(), ref value));
        if (outputs.Length > ScoreColumns.PredictedLabel && activeOutput(ScoreColumns.PredictedLabel))
            getters[ScoreColumns.PredictedLabel] = values is null
                ? KeyGetter(outputs[ScoreColumns.PredictedLabel].Type.RawType, row)
                : values.CreateGetter(() => (int)row.Key() - 1);
        return getters;
    }

    public ITransformer GetTransformer() => transformer;

    void ICanSaveModel.Save(ModelSaveContext ctx) => ((ICanSaveModel)transformer).Save(ctx);

    bool ICanSaveOnnx.CanSaveOnnx(OnnxContext ctx) => true;

    void ISaveAsOnnx.SaveAsOnnx(OnnxContext ctx)
    {
        var graph = new OnnxContextWriter(ctx, "calibrator");
        graph.CheckOpset("A calibrator");
        if (values is not null)
            throw new NotSupportedException($"A calibrator after MapKeyToValue cannot be converted to ONNX: column "
                + $"'{outputs[ScoreColumns.PredictedLabel].Name}' holds no keys. Calibrate before MapKeyToValue.");
        string scores = ctx.GetVariableName(score.Name), calibrated = AddTo(graph, scores);
        graph.Column("Cast", [calibrated], outputs[ScoreColumns.Score].Name, outputs[ScoreColumns.Score].Type,
            ("to", (long)OnnxType.Float32));
        if (outputs.Length > ScoreColumns.PredictedLabel)
        {
            DataViewSchema.DetachedColumn label = outputs[ScoreColumns.PredictedLabel];
            string key = graph.Node("Gather", [graph.Vector(Keys()), graph.Node("ArgMax", [calibrated], ("axis", 1L))]);
            key = graph.Node("Where", [graph.AnyNaN(scores, 1, keepDimensions: true), graph.Vector(0), key]);
            graph.Column("Cast", [key], label.Name, label.Type, ("to", (long)OnnxType.UInt32));
        }
    }

    /// <summary>Adds what is done with scores, float32 [rows, classes], to a graph; the result is float64. A row that holds NaN stays as it
    /// is.</summary>
    internal string AddTo(OnnxGraphWriter graph, string scores) => graph.Node("Where", [graph.AnyNaN(scores, 1, keepDimensions: true),
        graph.Cast(scores, OnnxType.Float64), Calibrated(graph, ScoreGraph.Probabilities(graph, scores, scoreKind))]);

    private string Calibrated(OnnxGraphWriter graph, string probabilities)
    {
        if (classes is null)
            return transformer.Calibrator.AddTo(graph, probabilities);

        long[] scoreOfClass = new long[classes.Length];
        for (int k = 0; k < classes.Length; k++)
            scoreOfClass[classes[k]] = k;
        string inOrder = graph.Node("Gather", [probabilities, graph.Vector(scoreOfClass)], ("axis", 1L));
        string calibrated = transformer.Calibrator.AddTo(graph, inOrder);
        return graph.Node("Gather", [calibrated, graph.Vector([.. classes.Select(place => (long)place)])], ("axis", 1L));
    }

    private long[] Keys() => keys is null
        ? [.. Enumerable.Range(1, transformer.Calibrator.NumberOfClasses).Select(key => (long)key)]
        : [.. keys.Select(key => key + 1L)];

    private static Delegate KeyGetter(Type type, CalibratedRow row) =>
        type == typeof(byte) ? (ValueGetter<byte>)((ref byte key) => key = (byte)row.Key())
        : type == typeof(ushort) ? (ValueGetter<ushort>)((ref ushort key) => key = (ushort)row.Key())
        : type == typeof(uint) ? (ValueGetter<uint>)((ref uint key) => key = row.Key())
        : (ValueGetter<ulong>)((ref ulong key) => key = row.Key());

    /// <summary>The calibrated probabilities of the current row, computed once however many columns ask.</summary>
    private sealed class CalibratedRow(
        MulticlassCalibrator calibrator, ScoreKind scoreKind, DataViewSchema.Column score, DataViewRow input, int[]? classes, int[]? keys)
    {
        private readonly ProbabilityRowReader _row = new(input, score, scoreKind, keepsNaN: true, keepsLogits: true);
        private readonly float[] _inOrder = classes is null ? [] : new float[calibrator.NumberOfClasses];

        public ReadOnlySpan<float> Current()
        {
            if (_row.MoveToCurrent())
                Calibrate(_row.Probabilities);
            return _row.Probabilities;
        }

        private void Calibrate(Span<float> scores)
        {
            if (classes is null)
            {
                calibrator.Apply(scores, scoreKind, scores);
                return;
            }

            for (int k = 0; k < classes.Length; k++)
                _inOrder[classes[k]] = scores[k];
            calibrator.Apply(_inOrder, scoreKind, _inOrder);
            for (int k = 0; k < classes.Length; k++)
                scores[k] = _inOrder[classes[k]];
        }

        /// <summary>The key of the most probable class, counted from 1; 0, a missing value, where a score is NaN.</summary>
        public uint Key()
        {
            uint key = ProbabilityBuffer.Key(Current());
            return keys is null || key == 0 ? key : (uint)keys[key - 1] + 1;
        }
    }
}
