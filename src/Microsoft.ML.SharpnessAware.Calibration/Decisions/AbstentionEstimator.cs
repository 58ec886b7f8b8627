using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Fits the confidence from which on a model is right often enough; see <see
/// cref="MulticlassDecisionsCatalog.Abstain"/>.</summary>
internal sealed class AbstentionEstimator : IEstimator<AbstentionTransformer>
{
    private readonly IHost _host;
    private readonly PipelineStep _step;
    private readonly DecisionColumns _columns;
    private readonly double _accuracy;
    private readonly double _confidence;

    public AbstentionEstimator(IHostEnvironment environment, DecisionColumns columns, double accuracy, double confidence)
    {
        _host = environment.Register(nameof(AbstentionEstimator));
        _step = new PipelineStep(environment, typeof(AbstentionEstimator));
        (_columns, _accuracy, _confidence) = (columns, accuracy, confidence);
    }

    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        _step.Propagate();
        _columns.Check(inputSchema);
        var columns = inputSchema.ToDictionary(column => column.Name);
        columns[_columns.OutputColumnName] =
            new(_columns.OutputColumnName, SchemaShape.Column.VectorKind.Scalar, BooleanDataViewType.Instance, isKey: false,
                new SchemaShape([DecisionAnnotations.Shape(DecisionAnnotations.AccuracyAsked),
                    DecisionAnnotations.Shape(DecisionAnnotations.ConfidenceAsked)]));
        return new SchemaShape(columns.Values);
    }

    public AbstentionTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _step.WarnAfterTraining(_host, "Abstention was", "what is accepted is right less often than was asked. Fit "
            + "it on rows that neither the model nor its calibrator has seen, and append it to the model.");
        using IChannel channel = _host.Start("Fitting abstention");
        LabelledScores scores = LabelledScores.Bind(input.Schema, _columns.LabelColumnName, _columns.ScoreColumnName);
        var fit = new AbstentionFit(_accuracy, _confidence);
        _columns.Read(input, scores, _host, channel, seed: 0, fit.Add);
        AbstentionChoice choice = fit.Finish();
        double promised = Math.Floor(10_000 * choice.BestAccuracy) / 100;       // in %, and so that asking for it gives it
        if (double.IsPositiveInfinity(choice.Threshold))
            channel.Warning(string.Create(CultureInfo.InvariantCulture,
                $"These {fit.Count} row(s){_columns.OneOfEach} do not let an accuracy of {100 * _accuracy:G6} % be promised with a "
                + $"confidence of {100 * _confidence:G4} %, so nothing is accepted. What they can promise is {promised:F2} %, of the "
                + $"{choice.BestAccepted} most confident. With no mistake among them it takes "
                + $"{AbstentionFit.RowsNeeded(_accuracy, _confidence)} accepted rows."));
        else
            channel.Info(string.Create(CultureInfo.InvariantCulture,
                $"Accepts {choice.Accepted} of {fit.Count} row(s){_columns.OneOfEach}, confidence above {choice.Threshold:G6}."));
        return new AbstentionTransformer(_host, _columns, _accuracy, _confidence, choice, fit.Count, scores.NumberOfClasses,
            scores.Classes);
    }
}
