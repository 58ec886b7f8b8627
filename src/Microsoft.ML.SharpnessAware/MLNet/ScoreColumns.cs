using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The two columns of a multiclass model, Score and PredictedLabel, with the annotations that ML.NET's evaluators look for.</summary>
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
            new(predictedLabelColumnName, new KeyDataViewType(typeof(uint), numberOfClasses), PredictedLabelAnnotations(setId, labelValues)),
        ];
    }

    /// <summary>The shapes of the columns that <see cref="Create"/> gives for data whose label has the shape <paramref name="label"/>.</summary>
    public static SchemaShape.Column[] Shapes(string scoreColumnName, string predictedLabelColumnName, SchemaShape.Column label) =>
    [
        new(scoreColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false,
            new SchemaShape(AnnotationUtils.AnnotationsForMulticlassScoreColumn(label))),
        new(predictedLabelColumnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.UInt32, isKey: true,
            new SchemaShape(label.Annotations.Where(annotation => annotation.Name == AnnotationUtils.Kinds.KeyValues)
                .Concat(AnnotationUtils.GetTrainerOutputAnnotation()))),
    ];

    private static DataViewSchema.Annotations ScoreAnnotations(uint setId, LabelValues? labelValues)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        // Evaluators take class names from SlotNames, which must be text; the values in their own type are TrainingLabelValues.
        if (labelValues?.Type.ItemType is TextDataViewType)
            labelValues.AddTo(annotations, AnnotationUtils.Kinds.SlotNames);
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
