using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The two columns of a multiclass model, Score and PredictedLabel, with the annotations that ML.NET's evaluators look
/// for.</summary>
internal static class ScoreColumns
{
    /// <summary>Index of Score among the columns that <see cref="Create"/> returns.</summary>
    public const int Score = 0;

    /// <summary>Index of PredictedLabel among the columns that <see cref="Create"/> returns.</summary>
    public const int PredictedLabel = 1;

    /// <summary>The columns as added to data of schema <paramref name="input"/>.</summary>
    public static DataViewSchema.DetachedColumn[] Create(
        DataViewSchema input, string scoreColumnName, string predictedLabelColumnName, int numberOfClasses, LabelValues? labelValues)
    {
        uint setId = input.GetMaxAnnotationKind(out _, AnnotationUtils.Kinds.ScoreColumnSetId) + 1;
        return
        [
            new(scoreColumnName, new VectorDataViewType(NumberDataViewType.Single, numberOfClasses), ScoreAnnotations(setId, labelValues)),
            CreatePredictedLabel(predictedLabelColumnName, numberOfClasses, setId, labelValues),
        ];
    }

    /// <summary>A PredictedLabel for scores that have none.</summary>
    public static DataViewSchema.DetachedColumn CreatePredictedLabel(
        DataViewSchema.Column score, string columnName, int numberOfClasses, LabelValues? labelValues)
    {
        uint setId = 0;
        if (score.Annotations.Schema.GetColumnOrNull(AnnotationUtils.Kinds.ScoreColumnSetId)?.Type == AnnotationUtils.ScoreColumnSetIdType)
            score.Annotations.GetValue(AnnotationUtils.Kinds.ScoreColumnSetId, ref setId);
        return CreatePredictedLabel(columnName, numberOfClasses, setId, labelValues);
    }

    /// <summary>The shapes of the columns that <see cref="Create"/> gives for data whose label has the shape <paramref
    /// name="label"/>.</summary>
    public static SchemaShape.Column[] Shapes(string scoreColumnName, string predictedLabelColumnName, SchemaShape.Column label) =>
    [
        new(scoreColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false,
            new SchemaShape(ScoreAnnotationShapes(label))),
        PredictedLabelShape(predictedLabelColumnName,
            label.Annotations.Where(annotation => annotation.Name == AnnotationUtils.Kinds.KeyValues)),
    ];

    // ML.NET's AnnotationsForMulticlassScoreColumn knows neither the names of values that are not text nor values that are keys.
    private static IEnumerable<SchemaShape.Column> ScoreAnnotationShapes(SchemaShape.Column label)
    {
        IEnumerable<SchemaShape.Column> shapes = AnnotationUtils.GetTrainerOutputAnnotation();
        if (!label.Annotations.TryFindColumn(AnnotationUtils.Kinds.KeyValues, out SchemaShape.Column values))
            return shapes;
        return
        [
            .. shapes,
            new(AnnotationUtils.Kinds.TrainingLabelValues, SchemaShape.Column.VectorKind.Vector, values.ItemType, values.IsKey),
            new(AnnotationUtils.Kinds.SlotNames, SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance, isKey: false),
        ];
    }

    /// <summary>The shape of a PredictedLabel whose key values, if it has any, are given by <paramref name="keyValues"/>.</summary>
    public static SchemaShape.Column PredictedLabelShape(string columnName, IEnumerable<SchemaShape.Column> keyValues) =>
        new(columnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.UInt32, isKey: true,
            new SchemaShape(keyValues.Concat(AnnotationUtils.GetTrainerOutputAnnotation())));

    /// <summary>The annotation of the key values of columns that name the classes of <paramref name="score"/>, as far as it or the label
    /// tells them.
    /// </summary>
    public static IEnumerable<SchemaShape.Column> KeyValuesShape(SchemaShape.Column score, SchemaShape.Column label)
    {
        bool isKnown = score.Annotations.TryFindColumn(AnnotationUtils.Kinds.TrainingLabelValues, out SchemaShape.Column values)
            || score.Annotations.TryFindColumn(AnnotationUtils.Kinds.SlotNames, out values)
            || label.Annotations.TryFindColumn(AnnotationUtils.Kinds.KeyValues, out values);
        return isKnown
            ? [new SchemaShape.Column(AnnotationUtils.Kinds.KeyValues, SchemaShape.Column.VectorKind.Vector, values.ItemType, values.IsKey)]
            : [];
    }

    /// <summary>Finds a model's scores: a vector of Single with one value for each class, at least two.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column, or it is of another type.</exception>
    public static DataViewSchema.Column FindScore(DataViewSchema schema, string columnName)
    {
        DataViewSchema.Column column = NamedColumn.Find(schema, columnName, "score");
        return column.Type is VectorDataViewType { IsKnownSize: true, Size: >= 2 } vector && vector.ItemType == NumberDataViewType.Single
            ? column
            : throw WrongScoreType(columnName, column.Type.ToString()!);
    }

    /// <summary>The scores of new data, whose classes must be those that something was fitted on; matched by name where both have
    /// names.</summary>
    /// <param name="input">The schema of the new data.</param>
    /// <param name="columnName">The scores.</param>
    /// <param name="numberOfClasses">How many classes it was fitted on.</param>
    /// <param name="classes">What they are; null where that is not known.</param>
    /// <param name="what">What was fitted, for messages: "calibrator".</param>
    /// <returns>The column, and for each score its class; null where score k is class k.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type, or of other classes.</exception>
    public static (DataViewSchema.Column Score, int[]? Places) FindFitted(
        DataViewSchema input, string columnName, int numberOfClasses, LabelValues? classes, string what)
    {
        DataViewSchema.Column score = FindScore(input, columnName);
        if (NumberOfClasses(score) != numberOfClasses)
            throw new ArgumentOutOfRangeException(nameof(input),
                $"Score column '{columnName}' has {NumberOfClasses(score)} scores, but the {what} was fitted on {numberOfClasses}.");
        if (classes is null || LabelValues.OfScores(score, classes) is not LabelValues scores)
            return (score, null);
        return ClassOrder.Match(scores.Names, classes.Names, out int[]? places) is not string problem
            ? (score, places)
            : throw new ArgumentOutOfRangeException(nameof(input),
                $"Score column '{columnName}' is not of the classes that the {what} was fitted on: it {problem}. "
                + $"Fit a {what} on the scores of this model.");
    }

    /// <summary>The number of classes of a column from <see cref="FindScore"/>.</summary>
    public static int NumberOfClasses(DataViewSchema.Column score) => ((VectorDataViewType)score.Type).Size;

    /// <summary>Throws the same exception as <see cref="FindScore"/> for a column of the wrong type, before there is data.</summary>
    public static void CheckScore(SchemaShape.Column column)
    {
        if (column.Kind != SchemaShape.Column.VectorKind.Vector || column.ItemType != NumberDataViewType.Single || column.IsKey)
            throw WrongScoreType(column.Name, column.GetTypeString());
    }

    private static ArgumentOutOfRangeException WrongScoreType(string columnName, string found) => new("schema",
        $"Score column '{columnName}': expected the class probabilities of a multiclass model, a vector of known size (at least 2) "
        + $"of Single; found {found}.");

    private static DataViewSchema.DetachedColumn CreatePredictedLabel(
        string columnName, int numberOfClasses, uint setId, LabelValues? labelValues) =>
        new(columnName, new KeyDataViewType(typeof(uint), numberOfClasses), PredictedLabelAnnotations(setId, labelValues));

    private static DataViewSchema.Annotations ScoreAnnotations(uint setId, LabelValues? labelValues)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        // Evaluators take class names from SlotNames, which must be text; the values in their own type are TrainingLabelValues.
        labelValues?.AddSlotNamesTo(annotations);
        labelValues?.AddTo(annotations, AnnotationUtils.Kinds.TrainingLabelValues);
        AddKinds(annotations, setId, AnnotationUtils.Const.ScoreValueKind.Score);
        return annotations.ToAnnotations();
    }

    private static DataViewSchema.Annotations PredictedLabelAnnotations(uint setId, LabelValues? labelValues)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        labelValues?.AddTo(annotations, AnnotationUtils.Kinds.KeyValues);
        AddKinds(annotations, setId, AnnotationUtils.Const.ScoreValueKind.PredictedLabel);
        return annotations.ToAnnotations();
    }

    private static void AddKinds(DataViewSchema.Annotations.Builder annotations, uint setId, string valueKind)
    {
        annotations.Add(AnnotationUtils.Kinds.ScoreColumnSetId, AnnotationUtils.ScoreColumnSetIdType,
            (ref uint value) => value = setId);
        annotations.Add(AnnotationUtils.Kinds.ScoreColumnKind, TextDataViewType.Instance,
            (ref ReadOnlyMemory<char> value) => value = AnnotationUtils.Const.ScoreColumnKind.MulticlassClassification.AsMemory());
        annotations.Add(AnnotationUtils.Kinds.ScoreValueKind, TextDataViewType.Instance,
            (ref ReadOnlyMemory<char> value) => value = valueKind.AsMemory());
    }
}
