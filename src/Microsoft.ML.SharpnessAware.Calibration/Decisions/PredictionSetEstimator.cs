using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Fits the thresholds of prediction sets; see <see cref="MulticlassDecisionsCatalog.PredictionSets"/>.</summary>
internal sealed class PredictionSetEstimator : IEstimator<PredictionSetTransformer>
{
    private readonly IHost _host;
    private readonly PipelineStep _step;
    private readonly DecisionColumns _columns;
    private readonly Nonconformity _kind;
    private readonly double _coverage;
    private readonly bool _perClass;

    public PredictionSetEstimator(IHostEnvironment environment, DecisionColumns columns, Nonconformity kind, double coverage, bool perClass)
    {
        _host = environment.Register(nameof(PredictionSetEstimator));
        _step = new PipelineStep(environment, typeof(PredictionSetEstimator));
        (_columns, _kind, _coverage, _perClass) = (columns, kind, coverage, perClass);
    }

    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        _step.Propagate();
        SchemaShape.Column score = _columns.Check(inputSchema), label = NamedColumn.Find(inputSchema, _columns.LabelColumnName, "label");
        var columns = inputSchema.ToDictionary(column => column.Name);
        columns[_columns.OutputColumnName] = new(_columns.OutputColumnName, SchemaShape.Column.VectorKind.VariableVector,
            NumberDataViewType.UInt32,
            isKey: true, new SchemaShape([.. ScoreColumns.KeyValuesShape(score, label),
                DecisionAnnotations.Shape(DecisionAnnotations.CoverageAsked),
                DecisionAnnotations.Shape(DecisionAnnotations.FittedRows, isVector: true)]));
        columns[_columns.SizeColumnName] = new(_columns.SizeColumnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Int32,
            isKey: false);
        return new SchemaShape(columns.Values);
    }

    public PredictionSetTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _step.WarnAfterTraining(_host, "Prediction sets were", "the sets contain the true class less often than was asked. Fit "
            + "them on rows that neither the model nor its calibrator has seen, and append them to the model.");
        using IChannel channel = _host.Start("Fitting prediction sets");
        LabelledScores scores = LabelledScores.Bind(input.Schema, _columns.LabelColumnName, _columns.ScoreColumnName);
        var fit = new PredictionSetFit(_kind, _coverage, scores.NumberOfClasses, _perClass);
        _columns.Read(input, scores, _host, channel, _kind.Seed, fit.Add);
        IReadOnlyList<string> names = scores.Classes?.Names ?? [.. Enumerable.Range(0, scores.NumberOfClasses).Select(k => $"{k}")];
        (Nonconformity kind, double[] thresholds) = fit.Finish(names, channel, _columns.OneOfEach);
        channel.Info(string.Create(CultureInfo.InvariantCulture,
            $"Prediction sets of coverage {_coverage} fitted on {fit.Count} row(s){_columns.OneOfEach}."));
        return new PredictionSetTransformer(_host, _columns, kind, _coverage, thresholds, scores.NumberOfClasses, fit.Count,
            fit.RowsOfThresholds(), scores.Classes);
    }
}
