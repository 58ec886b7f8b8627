namespace Microsoft.ML.SharpnessAware;

/// <summary>A column of images that thumbnails can be made of.</summary>
internal interface IThumbnailColumn
{
    /// <summary>The column that a cursor must have active.</summary>
    DataViewSchema.Column Source { get; }

    /// <summary>Makes a function that gives the thumbnail of the row where the cursor is. It throws one of the exceptions of <see
    /// cref="ExampleImages.IsAboutTheImage"/> where there is no image to be had.</summary>
    Func<Thumbnail> Open(DataViewRow row);
}
