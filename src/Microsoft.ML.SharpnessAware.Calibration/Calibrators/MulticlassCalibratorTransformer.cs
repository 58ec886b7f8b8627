using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A fitted calibrator: replaces the class probabilities (Score) of a multiclass model by calibrated ones, and PredictedLabel by the class
/// that is then the most probable.
/// </summary>
/// <remarks>
/// <para>Append it to the model, <c>model.Append(calibrator)</c>; both are then saved, loaded and used in a prediction engine as one. It
/// needs no native library and may be used by several threads at once.</para>
/// <para>Temperature scaling never changes the most probable class and leaves a PredictedLabel as it is, whatever its type. The other
/// calibrators replace it: a key keeps its type and values, and values of the classes, as MapKeyToValue made them, stay such values. Where
/// there is none, it is added. Equal probabilities go to the lower class. A row whose scores hold NaN stays as it is, and its
/// PredictedLabel is missing.</para>
/// <para>The calibrator knows the names of the classes that it was fitted on, where the scores or the label had names. Scores of a model
/// that has the same classes in another order are calibrated class by class; those of a model of other classes are refused, as is a view
/// without a column that is needed, with ArgumentOutOfRangeException. Reading throws InvalidOperationException at a row whose scores are
/// not probabilities (negative, or a sum far from 1), or that has none, or another number than the column's type says.</para>
/// <para>A model file whose calibrator is damaged is refused with <see cref="FormatException"/>, which ML.NET wraps in <see
/// cref="System.Reflection.TargetInvocationException"/>.</para>
/// </remarks>
public sealed class MulticlassCalibratorTransformer : RowToRowTransformerBase
{
    private readonly CalibratorColumns _columns;
    private readonly LabelValues? _classes;

    internal MulticlassCalibratorTransformer(
        IHostEnvironment environment, MulticlassCalibrator calibrator, CalibratorColumns columns, LabelValues? classes)
        : base(environment.Register(nameof(MulticlassCalibratorTransformer)))
    {
        Calibrator = calibrator;
        _columns = columns;
        _classes = classes;
    }

    /// <summary>
    /// What was learned: a <see cref="TemperatureCalibrator"/>, <see cref="VectorCalibrator"/>,
    /// <see cref="OneVersusRestIsotonicCalibrator"/> or <see cref="DirichletCalibrator"/>.
    /// </summary>
    public MulticlassCalibrator Calibrator { get; }

    /// <summary>The column of the class that follows from the calibrated scores.</summary>
    internal string PredictedLabelColumnName => _columns.PredictedLabelColumnName;

    /// <inheritdoc/>
    protected override IRowMapper MakeRowMapper(DataViewSchema schema) => CreateMapper(schema);

    /// <inheritdoc/>
    protected override void SaveModel(ModelSaveContext ctx) => CalibratorFile.Save(Host, ctx, Calibrator, _columns, _classes);

    internal CalibratorRowMapper CreateMapper(DataViewSchema input)
    {
        (DataViewSchema.Column score, int[]? places) =
            ScoreColumns.FindFitted(input, _columns.ScoreColumnName, Calibrator.NumberOfClasses, _classes, "calibrator");
        return new CalibratorRowMapper(this, _columns.ScoreKind, score, _columns.Create(input, score, Calibrator, _classes),
            // one rule for all classes: no order to mind, nor ties that another would decide
            Calibrator.KeepsPrediction ? null : places,
            _columns.FindKeys(input, Calibrator.KeepsPrediction, _classes),
            _columns.FindValues(input, Calibrator.KeepsPrediction, _classes));
    }
}
