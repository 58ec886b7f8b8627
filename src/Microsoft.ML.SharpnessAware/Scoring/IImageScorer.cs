using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A transformer whose network gives each image some numbers, from which its output columns are made: what batches and rows
/// share.</summary>
internal interface IImageScorer : ITransformer
{
    /// <summary>The network, and what it takes to feed it.</summary>
    ImageClassifier Classifier { get; }

    int ValuesPerImage { get; }

    ImageColumn BindImages(DataViewSchema schema);

    DataViewSchema.DetachedColumn[] OutputColumns(DataViewSchema input);

    /// <summary>Fills <paramref name="values"/> [n × <see cref="ValuesPerImage"/>] from pixels [n, C, H, W], at most a batch.</summary>
    void Score(Tensor pixels, Span<float> values);

    /// <summary>The getter of one of <see cref="OutputColumns"/>, given the values of the current image.</summary>
    Delegate CreateGetter(int output, Func<ReadOnlySpan<float>> values);

    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    void ThrowIfDisposed();
}
