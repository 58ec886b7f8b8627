using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Makes the set of each row.</summary>
internal sealed class PredictionSetMapper : IRowMapper, ISaveAsOnnx
{
    private const int Set = 0;
    private const int Size = 1;

    private readonly PredictionSetTransformer _transformer;
    private readonly DataViewSchema.Column _score;
    private readonly double[] _thresholds;
    private readonly DataViewSchema.DetachedColumn[] _outputs;

    public PredictionSetMapper(PredictionSetTransformer transformer, DataViewSchema input)
    {
        _transformer = transformer;
        (_score, int[]? places) = transformer.Columns.FindScore(input, transformer.NumberOfClasses, transformer.Classes);
        _thresholds = places is null || transformer.ThresholdArray.Length == 1 ? transformer.ThresholdArray
            : [.. places.Select(place => transformer.ThresholdArray[place])];
        var keyType = new KeyDataViewType(typeof(uint), transformer.NumberOfClasses);
        var annotations = new DataViewSchema.Annotations.Builder();
        (LabelValues.OfScores(_score, transformer.Classes) ?? transformer.Classes)?.AddTo(annotations, AnnotationUtils.Kinds.KeyValues);
        DecisionAnnotations.Add(annotations, DecisionAnnotations.CoverageAsked, transformer.CoverageAsked);
        if (transformer.RowsOfThresholds is { Length: > 0 } rows)
            DecisionAnnotations.Add(annotations, DecisionAnnotations.FittedRows,
                [.. places is null || rows.Length == 1 ? rows.Select(each => (double)each) : places.Select(place => (double)rows[place])]);
        _outputs =
        [
            new(transformer.Columns.OutputColumnName, new VectorDataViewType(keyType), annotations.ToAnnotations()),
            new(transformer.Columns.SizeColumnName, NumberDataViewType.Int32),
        ];
    }

    public DataViewSchema.DetachedColumn[] GetOutputColumns() => _outputs;

    public Func<int, bool> GetDependencies(Func<int, bool> activeOutput)
    {
        bool any = activeOutput(Set) || activeOutput(Size);
        return column => any && column == _score.Index;
    }

    public Delegate[] CreateGetters(DataViewRow input, Func<int, bool> activeOutput, out Action? disposer)
    {
        disposer = null;
        var getters = new Delegate[_outputs.Length];
        if (!activeOutput(Set) && !activeOutput(Size))
            return getters;
        var row = new ProbabilityRowReader(input, _score, _transformer.Columns.ScoreKind);
        int[] set = new int[_transformer.NumberOfClasses];
        var ranked = new RankedClasses(set.Length);
        int size = 0;
        if (activeOutput(Set))
            getters[Set] = (ValueGetter<VBuffer<uint>>)((ref VBuffer<uint> value) =>
            {
                Find();
                VBufferEditor<uint> editor = VBufferEditor.Create(ref value, size);
                TensorPrimitives.Add(set.AsSpan(0, size), 1, MemoryMarshal.Cast<uint, int>(editor.Values));
                value = editor.Commit();
            });
        if (activeOutput(Size))
            getters[Size] = (ValueGetter<int>)((ref int value) =>
            {
                Find();
                value = size;
            });
        return getters;

        void Find()
        {
            if (row.MoveToCurrent())
                size = _transformer.Kind.Fill(row.Probabilities, _thresholds, set, ranked);
        }
    }

    public ITransformer GetTransformer() => _transformer;

    void ICanSaveModel.Save(ModelSaveContext ctx) => ((ICanSaveModel)_transformer).Save(ctx);

    bool ICanSaveOnnx.CanSaveOnnx(OnnxContext ctx) => true;

    void ISaveAsOnnx.SaveAsOnnx(OnnxContext ctx) => throw new NotSupportedException(
        $"Prediction sets (column '{_transformer.Columns.OutputColumnName}') cannot be converted by ConvertToOnnx: their size varies from "
        + "row to row. Convert the model without them; SaveOnnx writes sets of the least ambiguous score as a mask of the classes.");

    /// <summary>Adds which classes are in the set, Boolean [rows, classes], to a graph: of a row that holds NaN all, since none can be
    /// ruled out.</summary>
    /// <param name="graph">Where to.</param>
    /// <param name="scores">float32 [rows, classes].</param>
    /// <exception cref="NotSupportedException">The score draws by a hash of the probabilities.</exception>
    internal string AddTo(OnnxGraphWriter graph, string scores)
    {
        if (_transformer.Score != PredictionSetScore.LeastAmbiguous)
            throw new NotSupportedException(
                $"Prediction sets of the score {_transformer.Score} cannot be written to ONNX: they are drawn by a hash of a row's "
                + "probabilities, for which ONNX has no operators. Fit PredictionSetScore.LeastAmbiguous, or save the "
                + "model without the sets and make them of Score in .NET.");
        string probabilities = ScoreGraph.Probabilities(graph, scores, _transformer.Columns.ScoreKind);
        string strangeness = graph.Node("Sub", [graph.Constant([1.0], 1), probabilities]);
        double[] thresholds = [.. _thresholds.Select(threshold => threshold + Nonconformity.Rounding)];
        return graph.Node("Not", [graph.Node("Greater", [strangeness, graph.Constant(thresholds, 1, thresholds.Length)])]);
    }
}
