using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The columns that a calibrator replaces in its input, Score, and PredictedLabel where it may change or there is none; and what
/// the values of Score are before it.</summary>
internal sealed record CalibratorColumns(string ScoreColumnName, string PredictedLabelColumnName, ScoreKind ScoreKind)
{
    /// <summary>The columns to add to data of schema <paramref name="input"/>, in the order of <see cref="ScoreColumns"/>; they hide
    /// those of the same names.</summary>
    /// <param name="input">The schema of the scored data.</param>
    /// <param name="score">Its scores.</param>
    /// <param name="calibrator">The calibrator.</param>
    /// <param name="labelValues">The key values of the label that the calibrator was fitted on, for scores that do not name their
    /// classes.</param>
    public DataViewSchema.DetachedColumn[] Create(
        DataViewSchema input, DataViewSchema.Column score, MulticlassCalibrator calibrator, LabelValues? labelValues)
    {
        var calibrated = new DataViewSchema.DetachedColumn(score);
        return input.GetColumnOrNull(PredictedLabelColumnName) switch
        {
            null => [calibrated, ScoreColumns.CreatePredictedLabel(
                score, PredictedLabelColumnName, calibrator.NumberOfClasses, LabelValues.OfScores(score, labelValues) ?? labelValues)],
            DataViewSchema.Column _ when calibrator.KeepsPrediction => [calibrated],
            DataViewSchema.Column predictedLabel => [calibrated, new DataViewSchema.DetachedColumn(predictedLabel)],
        };
    }

    /// <summary>Matches the scores with the keys of the PredictedLabel that is to be replaced, by name where both have names.</summary>
    /// <returns>For each score the key, counted from 0; null where key k is score k, or there is nothing to replace.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is a PredictedLabel to replace, and it is not a key of the classes.</exception>
    public int[]? FindKeys(DataViewSchema input, bool keepsPrediction, LabelValues? classes)
    {
        if (keepsPrediction || input.GetColumnOrNull(PredictedLabelColumnName) is not DataViewSchema.Column column
            || FindValues(input, keepsPrediction, classes) is not null)
            return null;
        if (column.Type is not KeyDataViewType key)
            throw NotAKey(column.Type.ToString()!);
        DataViewSchema.Column score = ScoreColumns.FindScore(input, ScoreColumnName);
        int numberOfClasses = ScoreColumns.NumberOfClasses(score);
        if (key.Count != (ulong)numberOfClasses)
            throw new ArgumentOutOfRangeException(nameof(input),
                $"Column '{PredictedLabelColumnName}' is a key of {key.Count} values, "
                + $"but column '{ScoreColumnName}' has {numberOfClasses} scores.");
        if (LabelValues.Of(column) is not LabelValues keys || LabelValues.OfScores(score, keys) is not LabelValues scores)
            return null;
        return ClassOrder.Match(scores.Names, keys.Names, out int[]? places) is not string problem
            ? places
            : throw new ArgumentOutOfRangeException(nameof(input),
                $"Column '{PredictedLabelColumnName}' is a key of other classes than the scores: column '{ScoreColumnName}' {problem}.");
    }

    /// <summary>The values of the classes, score by score, where PredictedLabel holds such values and no keys of the scores any more, as
    /// MapKeyToValue makes them; else null.</summary>
    /// <remarks>The values are keys themselves where the label was one, without values, before MapValueToKey. A key of scores that name
    /// their classes has key values, and such a value has none.</remarks>
    public LabelValues? FindValues(DataViewSchema input, bool keepsPrediction, LabelValues? classes)
    {
        if (keepsPrediction || input.GetColumnOrNull(PredictedLabelColumnName) is not { } column)
            return null;
        LabelValues? values = LabelValues.OfScores(ScoreColumns.FindScore(input, ScoreColumnName), classes);
        if (column.Type is not KeyDataViewType)
            values ??= classes;
        else if (LabelValues.Of(column) is not null)
            return null;
        return values is not null && column.Type.Equals(values.Type.ItemType) ? values : null;
    }

    /// <summary>The shapes after the calibrator.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that cannot be calibrated.</exception>
    public SchemaShape GetOutputShape(SchemaShape input, string labelColumnName, bool keepsPrediction)
    {
        SchemaShape.Column label = NamedColumn.Find(input, labelColumnName, "label");
        SchemaShape.Column score = NamedColumn.Find(input, ScoreColumnName, "score");
        LabelColumn.Check(label);
        ScoreColumns.CheckScore(score);

        var columns = input.ToDictionary(column => column.Name);
        if (!columns.TryGetValue(PredictedLabelColumnName, out SchemaShape.Column predictedLabel))
            columns[PredictedLabelColumnName] = ScoreColumns.PredictedLabelShape(PredictedLabelColumnName,
                ScoreColumns.KeyValuesShape(score, label));
        else if (!keepsPrediction && !(predictedLabel.Kind == SchemaShape.Column.VectorKind.Scalar
            && (predictedLabel.IsKey || ScoreColumns.KeyValuesShape(score, label)
                .Any(values => !values.IsKey && values.ItemType.Equals(predictedLabel.ItemType)))))
            throw NotAKey(predictedLabel.GetTypeString());
        return new SchemaShape(columns.Values);
    }

    private ArgumentOutOfRangeException NotAKey(string found) => new("input",
        $"Column '{PredictedLabelColumnName}': expected a key, as trainers give it, because the calibrator may predict another class; "
        + $"found {found}. Values of the classes, as MapKeyToValue makes them, are taken where Score or the label says what they are; or " +
            "name another "
        + "column, which is then added.");
}
