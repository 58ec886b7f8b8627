using System.Numerics.Tensors;
using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Says of each scored row whether the model is sure enough to be right as often as was asked. Made by <see
/// cref="MulticlassDecisionsCatalog.Abstain"/>.
/// </summary>
/// <remarks>
/// Append it to the model; it is saved, loaded and used in a prediction engine with it. It may be used by several threads at once. Reading
/// a row whose scores are NaN or not probabilities, or that has none, throws InvalidOperationException. A view whose score column is
/// missing, or of other classes than the threshold was fitted on, is refused with ArgumentOutOfRangeException.
/// </remarks>
public sealed class AbstentionTransformer : RowToRowTransformerBase
{
    private readonly AbstentionChoice _choice;

    internal AbstentionTransformer(IHostEnvironment environment, DecisionColumns columns, double accuracy, double confidence,
        AbstentionChoice choice,
        long rows, int numberOfClasses, LabelValues? classes)
        : base(environment.Register(nameof(AbstentionTransformer))) =>
        (Columns, AccuracyAsked, ConfidenceAsked, _choice, FittedRows, NumberOfClasses, Classes) =
            (columns, accuracy, confidence, choice, rows, numberOfClasses, classes);

    /// <summary>The accuracy that was asked for the accepted rows.</summary>
    public double AccuracyAsked { get; }

    /// <summary>How sure the promise is: over draws of the rows it was fitted on, the accuracy is at least the one asked in this
    /// share.</summary>
    public double ConfidenceAsked { get; }

    /// <summary>A row is accepted if its largest probability is above this; infinite where nothing can be promised.</summary>
    /// <remarks>A row whose largest probability is the threshold itself is not accepted. That of <see
    /// cref="AccuracyRejectionCurve.ThresholdAt"/> is the smallest confidence to accept.</remarks>
    public double Threshold => _choice.Threshold;

    /// <summary>How many rows it was fitted on; of clusters one row each.</summary>
    public long FittedRows { get; }

    /// <summary>The share of those that are accepted.</summary>
    public double AcceptedShare => FittedRows == 0 ? 0 : (double)_choice.Accepted / FittedRows;

    /// <summary>The accuracy on the accepted of those; NaN where none is. Above the one asked, since that is a bound.</summary>
    public double ObservedAccuracy => _choice.Accepted == 0 ? double.NaN : (double)_choice.Right / _choice.Accepted;

    internal DecisionColumns Columns { get; }

    internal AbstentionChoice Choice => _choice;

    internal int NumberOfClasses { get; }

    internal LabelValues? Classes { get; }

    /// <inheritdoc/>
    protected override IRowMapper MakeRowMapper(DataViewSchema schema) => new Mapper(this, schema);

    /// <inheritdoc/>
    protected override void SaveModel(ModelSaveContext ctx) => DecisionFile.Save(Host, ctx, this);

    /// <summary>The same abstention, by another column of scores.</summary>
    internal AbstentionTransformer Of(string scoreColumnName) => new(
        Host, Columns with { ScoreColumnName = scoreColumnName }, AccuracyAsked, ConfidenceAsked, _choice, FittedRows,
        NumberOfClasses, Classes);

    /// <summary>The two inputs of the comparison that says which rows are accepted: the largest of the scores, float32 [rows, classes],
    /// and the threshold, both float64. A row that holds NaN is not accepted.</summary>
    internal string[] AddTo(OnnxGraphWriter graph, string scores, bool keepDimensions)
    {
        string probabilities = ScoreGraph.Probabilities(graph, scores, Columns.ScoreKind);
        return [graph.Max(probabilities, 1, keepDimensions), graph.Constant([Threshold], 1)];
    }

    private sealed class Mapper(AbstentionTransformer transformer, DataViewSchema input) : IRowMapper, ISaveAsOnnx
    {
        private readonly DataViewSchema.Column _score =
            transformer.Columns.FindScore(input, transformer.NumberOfClasses, transformer.Classes).Score;

        public DataViewSchema.DetachedColumn[] GetOutputColumns() =>
            [new DataViewSchema.DetachedColumn(transformer.Columns.OutputColumnName, BooleanDataViewType.Instance, DecisionAnnotations.Of(
                (DecisionAnnotations.AccuracyAsked, transformer.AccuracyAsked),
                (DecisionAnnotations.ConfidenceAsked, transformer.ConfidenceAsked)))];

        public Func<int, bool> GetDependencies(Func<int, bool> activeOutput) => column => activeOutput(0) && column == _score.Index;

        public Delegate[] CreateGetters(DataViewRow input, Func<int, bool> activeOutput, out Action? disposer)
        {
            disposer = null;
            if (!activeOutput(0))
                return new Delegate[1];
            var row = new ProbabilityRowReader(input, _score, transformer.Columns.ScoreKind);
            return [(ValueGetter<bool>)((ref bool value) =>
            {
                row.MoveToCurrent();
                value = TensorPrimitives.Max(row.Probabilities) > transformer.Threshold;
            })];
        }

        public ITransformer GetTransformer() => transformer;

        void ICanSaveModel.Save(ModelSaveContext ctx) => ((ICanSaveModel)transformer).Save(ctx);

        bool ICanSaveOnnx.CanSaveOnnx(OnnxContext ctx) => true;

        void ISaveAsOnnx.SaveAsOnnx(OnnxContext ctx)
        {
            var graph = new OnnxContextWriter(ctx, "abstention");
            graph.CheckOpset("Abstention");
            graph.Column("Greater", transformer.AddTo(graph, ctx.GetVariableName(_score.Name), keepDimensions: true),
                transformer.Columns.OutputColumnName, BooleanDataViewType.Instance);
        }
    }
}
