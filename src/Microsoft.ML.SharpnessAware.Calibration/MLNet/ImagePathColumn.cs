using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Finds the column of the paths of images, by which messages and reports name them.</summary>
internal static class ImagePathColumn
{
    private const string Usual = "ImagePath";

    // Model Builder of 2020 has ImageSource, ML.NET's samples ImageFileName. A text that merely contains "path" may be a pathology.
    private static readonly string[] Endings = ["Path", "FileName", "ImageSource"];

    /// <summary>The text column <c>ImagePath</c>, else the only one that is named like it; null where there is none, or several.</summary>
    public static DataViewSchema.Column? In(DataViewSchema schema)
    {
        if (schema.GetColumnOrNull(Usual) is { Type: TextDataViewType } usual)
            return usual;
        DataViewSchema.Column[] others = [.. schema.Where(column => !column.IsHidden && column.Type is TextDataViewType
            && Endings.Any(ending => column.Name.EndsWith(ending, StringComparison.OrdinalIgnoreCase)))];
        return others is [DataViewSchema.Column only] ? only : null;
    }
}
