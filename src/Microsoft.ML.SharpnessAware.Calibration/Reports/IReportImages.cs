namespace Microsoft.ML.SharpnessAware;

/// <summary>Where a report gets the pictures of its rows from. The image package knows how to decode them; this one does not.</summary>
internal interface IReportImages
{
    /// <summary>The column of images to show.</summary>
    /// <param name="schema">The schema of the data view.</param>
    /// <param name="columnName">The image column; null to look for one, empty for none.</param>
    /// <param name="width">The width of images that come as vectors of one dimension.</param>
    /// <param name="height">Their height.</param>
    /// <returns>Null where there is none.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The column named is missing or holds no images.</exception>
    IThumbnailColumn? Bind(DataViewSchema schema, string? columnName, int? width, int? height);
}
