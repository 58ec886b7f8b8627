using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A network with what it takes to feed it: image shape, normalisation and device. From pixels to logits and
/// probabilities.</summary>
/// <remarks>Scoring may run on several threads at once. Copies share the network by counting references.</remarks>
internal sealed class ImageClassifier : IDisposable
{
    private readonly SharedOwnership _ownership = new("SharpnessAwareImageClassificationTransformer");

    public ImageClassifier(
        string architecture, nn.Module<Tensor, Tensor> network, Device device, ImageShape shape, ScalarType pixelType,
        Normalization normalization, int numberOfClasses)
    {
        Layers.UseChannelsLast(network);
        // On another device they are other tensors than the network was made with, of the scope of whoever moved it.
        foreach (Tensor tensor in network.parameters().Concat(network.buffers()))
            tensor.DetachFromDisposeScope();
        Architecture = architecture;
        Network = network;
        Device = device;
        Shape = shape;
        PixelType = pixelType;
        Normalization = normalization;
        NumberOfClasses = numberOfClasses;
        // On a CPU small enough that activations stay in the caches and the C library does not return their memory after each batch: 128
        // images of
        // 64×64 take 1.6 times as long an image as 8. A GPU wants more to do; photographs stay within a few hundred megabytes there.
        int pixels = shape.Height * shape.Width;
        BatchSize = device.type == DeviceType.CPU ? Math.Clamp((1 << 15) / pixels, 8, 32) : Math.Clamp((1 << 22) / pixels, 1, 128);
    }

    public string Architecture { get; }

    public nn.Module<Tensor, Tensor> Network { get; }

    public Device Device { get; }

    public ImageShape Shape { get; }

    /// <summary>Whether the network goes with this classifier. Not where its layers are another network's.</summary>
    public bool OwnsNetwork { get; init; } = true;

    /// <summary>What goes with the network when its last owner disposes it: another form of it.</summary>
    public IDisposable? Companion { get; set; }

    /// <summary>How images are brought to the shape.</summary>
    public ResizingKind Resizing { get; init; }

    /// <summary>Type of the pixels that the network was trained on: Byte or Float32.</summary>
    public ScalarType PixelType { get; }

    public Normalization Normalization { get; }

    public int NumberOfClasses { get; }

    /// <summary>Rows that are scored in one forward pass.</summary>
    public int BatchSize { get; }

    /// <summary>Raw pixels [n, C, H, W] to the network's normalised float input on its device.</summary>
    public Tensor Prepare(Tensor pixels) => Normalization.Apply(pixels.to(Device));

    /// <summary>Logits [rows × classes], row-major, of all rows of a data set; of several parts only those of one, and zeros for the
    /// others. The batches are the same however many parts there are.</summary>
    public float[] Logits(ImageDataset data, int part = 0, int parts = 1, Action? checkCancelled = null)
    {
        float[] values = new float[LogitArray.Length(data.Count, NumberOfClasses)];
        for (long start = (long)part * BatchSize; start < data.Count; start += (long)parts * BatchSize)
        {
            checkCancelled?.Invoke();
            using DisposeScope scope = NewDisposeScope();
            long count = Math.Min(BatchSize, data.Count - start);
            Logits(data.Batch(start, count), values.AsSpan((int)(start * NumberOfClasses)));
        }
        return values;
    }

    /// <summary>
    /// Fills <paramref name="probabilities"/> [n × classes] with softmax(logits / T) of pixels [n, C, H, W], at most a batch. The class of
    /// the largest logit is the most probable, whatever T is.
    /// </summary>
    public void Probabilities(Tensor pixels, double temperature, Span<float> probabilities)
    {
        Logits(pixels, probabilities);
        int end = (int)pixels.shape[0] * NumberOfClasses;
        for (int start = 0; start < end; start += NumberOfClasses)
        {
            Span<float> row = probabilities.Slice(start, NumberOfClasses);
            Softmax.Apply(row, temperature, row);
        }
    }

    private void Logits(Tensor pixels, Span<float> destination)
    {
        using ImageClassifier held = Share();   // so that neither Dispose on another thread nor the collector frees the network meanwhile
        using var inference = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        Tensor logits = CheckShape(NetworkCall.Run(Network, Architecture, Prepare(pixels), isShared: true), pixels.shape[0]);
        using var values = logits.to(CPU).to(float32).contiguous().data<float>();
        values.CopyTo(destination);
    }

    /// <summary>The output of the network for prepared images, where no other thread runs it.</summary>
    /// <exception cref="InvalidOperationException">The network failed; the message names it, the shape and the layer.</exception>
    public Tensor Run(Tensor images) => NetworkCall.Run(Network, Architecture, images);

    /// <summary>Returns the network's output where it has the shape [batch, classes].</summary>
    public Tensor CheckShape(Tensor logits, long batch) =>
        logits.dim() == 2 && logits.shape[0] == batch && logits.shape[1] == NumberOfClasses
            ? logits
            : throw new InvalidOperationException(
                $"Network '{Architecture}' gave an output of shape [{string.Join(", ", logits.shape)}] for {batch} images; " +
                $"it must be [{batch}, {NumberOfClasses}].");

    /// <summary>One more owner of this classifier, if only for one pass; each disposes it once.</summary>
    /// <exception cref="ObjectDisposedException">The last owner has disposed it.</exception>
    public ImageClassifier Share()
    {
        _ownership.Add();
        return this;
    }

    /// <summary>One owner less; the last one frees the network.</summary>
    public void Dispose()
    {
        if (_ownership.Release())
        {
            if (OwnsNetwork)
                NativeModule.DisposeAll(Network);
            Companion?.Dispose();
            Normalization.Dispose();
        }
    }
}
