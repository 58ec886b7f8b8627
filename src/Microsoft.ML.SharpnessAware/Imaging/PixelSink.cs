namespace Microsoft.ML.SharpnessAware;

/// <summary>Where the images of a data set go as they are read, one after the other.</summary>
internal abstract class PixelSink : IDisposable
{
    /// <summary>Reads the image and adds it.</summary>
    /// <exception cref="InvalidOperationException">The image cannot be used, and was not added.</exception>
    public abstract void Add(IImageSource image);

    /// <summary>Notes that the row, counted from 0, was left out.</summary>
    public abstract void Skip(long row);

    /// <summary>All images that were added, at least one, which the caller owns.</summary>
    public abstract ImagePixels Complete();

    public abstract void Dispose();
}
