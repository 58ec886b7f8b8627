using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What was asked of a decision, kept beside its column, so that what it does can be held against it.</summary>
internal static class DecisionAnnotations
{
    public const string CoverageAsked = nameof(CoverageAsked);
    public const string FittedRows = nameof(FittedRows);
    public const string AccuracyAsked = nameof(AccuracyAsked);
    public const string ConfidenceAsked = nameof(ConfidenceAsked);

    public static void Add(DataViewSchema.Annotations.Builder annotations, string name, double asked) =>
        annotations.Add(name, NumberDataViewType.Double, (ref double value) => value = asked);

    public static void Add(DataViewSchema.Annotations.Builder annotations, string name, double[] values) => annotations.Add(name,
        new VectorDataViewType(NumberDataViewType.Double, values.Length),
        (ref VBuffer<double> value) => value = new VBuffer<double>(values.Length, [.. values]));

    public static DataViewSchema.Annotations Of(params (string Name, double Asked)[] all)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        foreach ((string name, double asked) in all)
            Add(annotations, name, asked);
        return annotations.ToAnnotations();
    }

    public static SchemaShape.Column Shape(string name, bool isVector = false) =>
        new(name, isVector ? SchemaShape.Column.VectorKind.Vector : SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Double,
            isKey: false);

    /// <summary>NaN where the column does not tell.</summary>
    public static double Find(DataViewSchema.Column column, string name)
    {
        double asked = double.NaN;
        if (column.Annotations.Schema.GetColumnOrNull(name)?.Type == NumberDataViewType.Double)
            column.Annotations.GetValue(name, ref asked);
        return asked;
    }

    /// <summary>Empty where the column does not tell.</summary>
    public static double[] FindVector(DataViewSchema.Column column, string name)
    {
        VBuffer<double> values = default;
        if (column.Annotations.Schema.GetColumnOrNull(name)?.Type is VectorDataViewType { ItemType: NumberDataViewType item }
            && item == NumberDataViewType.Double)
            column.Annotations.GetValue(name, ref values);
        return [.. values.DenseValues()];
    }
}
