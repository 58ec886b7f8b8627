using Microsoft.ML.Model.OnnxConverter;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A transformer whose network gives each image some numbers, from which its output columns are made: what batches and rows
/// share.</summary>
internal interface IImageScorer : ITransformer
{
    /// <summary>Rows that are scored together.</summary>
    int BatchSize { get; }

    int ValuesPerImage { get; }

    ImageColumn BindImages(DataViewSchema schema);

    DataViewSchema.DetachedColumn[] OutputColumns(DataViewSchema input);

    /// <summary>Room for the pixels of so many images, at most a batch, in memory that the network reads.</summary>
    ImageBatch CreateBatch(int capacity);

    /// <summary>The getter of one of <see cref="OutputColumns"/>, given the values of the current image.</summary>
    Delegate CreateGetter(int output, Func<ReadOnlySpan<float>> values);

    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    void ThrowIfDisposed();

    /// <summary>Whether <see cref="AddToOnnx"/> can write what is made of these images.</summary>
    /// <exception cref="NotSupportedException">It cannot; the message says why, and what to do.</exception>
    void CheckOnnx(ImageColumn images);

    /// <summary>Adds the columns of a view to the graph that ML.NET's ConvertToOnnx builds.</summary>
    void AddToOnnx(OnnxContext context, BatchScoringDataView view);
}
