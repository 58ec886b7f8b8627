using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits a calibrator on scored rows that the model was not trained on. Made by <c>mlContext.MulticlassClassification.Calibrators</c>.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// ### Input and Output Columns
/// | Column | Type | Meaning |
/// | -- | -- | -- |
/// | Label (input of Fit) | [key](xref:Microsoft.ML.Data.KeyDataViewType) | The true class, one key for each score. |
/// | Score (input and output) | known-size vector of `float` | The model's class probabilities; replaced by calibrated ones with the same annotations. |
/// | PredictedLabel (input and output) | [key](xref:Microsoft.ML.Data.KeyDataViewType) | The most probable class; replaced where the calibrator may change it, added where there is none. |
///
/// The log loss on the rows that a calibrator is fitted on never rises: where nothing better is found, it changes nothing.
/// ]]></format>
/// </remarks>
public abstract class MulticlassCalibratorEstimator : IEstimator<MulticlassCalibratorTransformer>
{
    /// <summary>What a temperature wants (docs/evidence.md); the other calibrators want more.</summary>
    private const int FewRows = 100;

    private readonly IHost _host;
    private readonly CalibratorColumns _columns;
    private readonly string _labelColumnName;
    private readonly PipelineStep _step;

    private protected MulticlassCalibratorEstimator(IHostEnvironment environment, string labelColumnName, CalibratorColumns columns)
    {
        ArgumentException.ThrowIfNullOrEmpty(labelColumnName);
        _host = environment.Register(GetType().Name);
        _step = new PipelineStep(environment, typeof(MulticlassCalibratorEstimator));
        _labelColumnName = labelColumnName;
        _columns = columns;
    }

    /// <summary>The columns of <paramref name="inputSchema"/> with Score and, if need be, PredictedLabel replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that cannot be calibrated.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        _step.Propagate();
        return GetOutputShape(inputSchema);
    }

    /// <summary>Checks what can be known of scored rows before the model that scores them is trained: its columns and, where the label is
    /// a key already and the estimator makes no other of it, how many classes there will be.</summary>
    internal void CheckBeforeTraining(IEstimator<ITransformer> estimator, DataViewSchema input)
    {
        GetOutputShape(estimator.GetOutputSchema(SchemaShape.Create(input)));
        bool keepsLabel = estimator is IKeepsLabel || Array.Exists(estimator.GetType().GetInterfaces(),
            one => one.IsGenericType && one.GetGenericTypeDefinition() == typeof(ITrainerEstimator<,>));
        if (keepsLabel && input.GetColumnOrNull(_labelColumnName)?.Type is KeyDataViewType)
            CheckNumberOfClasses(LabelColumn.Bind(input, _labelColumnName).NumberOfClasses);
    }

    internal SchemaShape GetOutputShape(SchemaShape inputSchema) => _columns.GetOutputShape(inputSchema, _labelColumnName, KeepsPrediction);

    /// <summary>Fits the calibrator.</summary>
    /// <param name="input">
    /// Scored rows, as <c>model.Transform(validationData)</c> gives them. Not the training rows: a model is surer of these than of any
    /// other. Rows with a missing or unknown label are left out, with a warning in the context's log.
    /// </param>
    /// <returns>A transformer to append to the model.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that cannot be calibrated, the label has a class that
    /// the scores do not have, or, without names, the numbers of label keys and scores differ.</exception>
    /// <exception cref="InvalidOperationException">There is no row with a label, scores are not probabilities (negative, NaN, or a sum
    /// far from 1), or a row has none, or another number than the column's type says; the message names the row.</exception>
    public MulticlassCalibratorTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _step.WarnAfterTraining(_host, "A calibrator was", "the calibrator can make it worse. Use Calibrators.HeldOut or "
            + "Calibrators.CrossFitted around both, or fit the calibrator on other rows and append it to the model.");
        return FitOnUnseen(input, groupColumnName: null);
    }

    internal MulticlassCalibratorTransformer FitOnUnseen(IDataView input, string? groupColumnName)
    {
        (CalibrationRows rows, LabelValues? classes) = ReadUnseen(input, groupColumnName);
        return Fit(rows, classes);
    }

    /// <summary>The rows to fit on, and their classes in the order of the scores.</summary>
    /// <param name="input">Scored rows.</param>
    /// <param name="groupColumnName">What rows belong together by, if they have that column still.</param>
    internal (CalibrationRows Rows, LabelValues? Classes) ReadUnseen(IDataView input, string? groupColumnName)
    {
        LabelledScores scored = Bind(input.Schema);
        using IChannel channel = _host.Start("Reading");
        CodedColumn? groups = groupColumnName is null ? null : CodedColumn.ClustersIfAny(input.Schema, groupColumnName);
        return (CalibrationRows.Read(input, scored, _columns.ScoreKind, _host, channel, groups), scored.Classes);
    }

    /// <summary>Finds the columns of scored rows and checks them.</summary>
    internal LabelledScores Bind(DataViewSchema schema)
    {
        LabelledScores scored = LabelledScores.Bind(schema, _labelColumnName, _columns.ScoreColumnName);
        _columns.FindKeys(schema, KeepsPrediction, scored.Classes);
        CheckNumberOfClasses(scored.NumberOfClasses);
        return scored;
    }

    /// <summary>Fits the calibrator, and keeps it only if the log loss of the rows does not rise.</summary>
    internal MulticlassCalibratorTransformer Fit(CalibrationRows rows, LabelValues? classes)
    {
        LabelledProbabilities.CheckAny(rows.Count, rows.WithoutLabel, _labelColumnName, "calibrator");
        using IChannel channel = _host.Start("Calibrating");
        if (rows.Count < FewRows)
            channel.Warning($"A calibrator is fitted on {rows.Count} row(s). Fewer than {FewRows} say little about probabilities: it " +
                "stays near "
                + "the model as it is, and may still be wrong by chance. Give it more rows if you can.");
        MulticlassCalibrator calibrator = Fit(rows, _host, channel);
        double before = rows.LogLoss(calibrator.Unchanged()), after = rows.LogLoss(calibrator);
        if (!(after <= rows.LogLossAsFitted()))
            (calibrator, after) = (calibrator.Unchanged(), before);
        channel.Info(string.Create(CultureInfo.InvariantCulture,
            $"{calibrator.GetType().Name} fitted on {rows.Count} row(s): log loss {before:G6} before, {after:G6} after."));
        return new MulticlassCalibratorTransformer(_host, calibrator, _columns, classes);
    }

    private protected virtual bool KeepsPrediction => false;

    private protected virtual void CheckNumberOfClasses(int numberOfClasses)
    {
    }

    private protected abstract MulticlassCalibrator Fit(CalibrationRows rows, IHost host, IChannel channel);
}
