using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The columns that a calibrator replaces in its input: Score, and PredictedLabel where it may change or there is none.</summary>
internal sealed record CalibratorColumns(string ScoreColumnName, string PredictedLabelColumnName)
{
    /// <summary>The columns to add to data of schema <paramref name="input"/>, in the order of <see cref="ScoreColumns"/>; they hide
    /// those of the same names.</summary>
    /// <param name="input">The schema of the scored data.</param>
    /// <param name="calibrator">The calibrator.</param>
    /// <param name="labelValues">The key values of the label that the calibrator was fitted on, for scores that do not name their
    /// classes.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or does not suit the calibrator.</exception>
    public DataViewSchema.DetachedColumn[] Create(DataViewSchema input, MulticlassCalibrator calibrator, LabelValues? labelValues)
    {
        DataViewSchema.Column score = ScoreColumns.FindScore(input, ScoreColumnName);
        int numberOfClasses = ScoreColumns.NumberOfClasses(score);
        if (numberOfClasses != calibrator.NumberOfClasses)
            throw new ArgumentOutOfRangeException(nameof(input),
                $"Score column '{ScoreColumnName}' has {numberOfClasses} scores, "
                + $"but the calibrator was fitted on {calibrator.NumberOfClasses}.");
        CheckPredictedLabel(input, calibrator.KeepsPrediction);

        var calibrated = new DataViewSchema.DetachedColumn(score);
        return input.GetColumnOrNull(PredictedLabelColumnName) switch
        {
            null => [calibrated, ScoreColumns.CreatePredictedLabel(
                score, PredictedLabelColumnName, numberOfClasses, LabelValues.OfScores(score) ?? labelValues)],
            DataViewSchema.Column _ when calibrator.KeepsPrediction => [calibrated],
            DataViewSchema.Column predictedLabel => [calibrated, new DataViewSchema.DetachedColumn(predictedLabel)],
        };
    }

    /// <exception cref="ArgumentOutOfRangeException">There is a PredictedLabel to replace, and it is not a key of the classes.</exception>
    public void CheckPredictedLabel(DataViewSchema input, bool keepsPrediction)
    {
        if (keepsPrediction || input.GetColumnOrNull(PredictedLabelColumnName) is not DataViewSchema.Column column)
            return;
        if (column.Type is not KeyDataViewType key)
            throw NotAKey(column.Type.ToString()!);
        int numberOfClasses = ScoreColumns.NumberOfClasses(ScoreColumns.FindScore(input, ScoreColumnName));
        if (key.Count != (ulong)numberOfClasses)
            throw new ArgumentOutOfRangeException(nameof(input),
                $"Column '{PredictedLabelColumnName}' is a key of {key.Count} values, "
                + $"but column '{ScoreColumnName}' has {numberOfClasses} scores.");
    }

    /// <summary>The shapes after the calibrator.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that cannot be calibrated.</exception>
    public SchemaShape GetOutputShape(SchemaShape input, string labelColumnName, bool keepsPrediction)
    {
        SchemaShape.Column label = Find(input, labelColumnName, "label"), score = Find(input, ScoreColumnName, "score");
        LabelColumn.Check(label);
        ScoreColumns.CheckScore(score);

        var columns = input.ToDictionary(column => column.Name);
        if (!columns.TryGetValue(PredictedLabelColumnName, out SchemaShape.Column predictedLabel))
            columns[PredictedLabelColumnName] = ScoreColumns.PredictedLabelShape(PredictedLabelColumnName, KeyValuesShape(score, label));
        else if (!keepsPrediction && !(predictedLabel.IsKey && predictedLabel.Kind == SchemaShape.Column.VectorKind.Scalar))
            throw NotAKey(predictedLabel.GetTypeString());
        return new SchemaShape(columns.Values);
    }

    private static IEnumerable<SchemaShape.Column> KeyValuesShape(SchemaShape.Column score, SchemaShape.Column label)
    {
        bool isKnown = score.Annotations.TryFindColumn(AnnotationUtils.Kinds.TrainingLabelValues, out SchemaShape.Column values)
            || score.Annotations.TryFindColumn(AnnotationUtils.Kinds.SlotNames, out values)
            || label.Annotations.TryFindColumn(AnnotationUtils.Kinds.KeyValues, out values);
        return isKnown
            ? [new SchemaShape.Column(AnnotationUtils.Kinds.KeyValues, SchemaShape.Column.VectorKind.Vector, values.ItemType, isKey: false)]
            : [];
    }

    private static SchemaShape.Column Find(SchemaShape schema, string name, string role) =>
        schema.TryFindColumn(name, out SchemaShape.Column column)
            ? column
            : throw new ArgumentOutOfRangeException(nameof(schema),
                $"Could not find {role} column '{name}'. The data has: {string.Join(", ", schema.Select(other => other.Name))}.");

    private ArgumentOutOfRangeException NotAKey(string found) => new("input",
        $"Column '{PredictedLabelColumnName}': expected a key, as trainers give it, because the calibrator may predict another class; "
        + $"found {found}. Calibrate before MapKeyToValue, or name another column, which is then added.");
}
