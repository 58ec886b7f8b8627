using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A file of SaveOnnx in ONNX Runtime: from pixels to probabilities.</summary>
/// <remarks>Scoring may run on several threads at once. Who scores holds the session meanwhile, by counting references.</remarks>
internal sealed class OnnxClassifier : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _runOptions = new();
    private readonly string[] _inputs;
    private readonly string[] _outputs;
    private readonly Dictionary<string, int> _classes = [];
    private int _references = 1;

    private OnnxClassifier(InferenceSession session, byte[] file, OnnxMetadata metadata)
    {
        _session = session;
        File = file;
        Metadata = metadata;
        _inputs = [session.InputNames[0]];
        _outputs = [session.OutputNames[0], session.OutputNames[1]];
        OtherOutputs = [.. session.OutputNames.Skip(2)];
        TakesBytes = session.InputMetadata[InputName].ElementDataType == TensorElementType.UInt8;
        foreach (string name in metadata.ClassNames)
            _classes.Add(name, _classes.Count);
        // Small enough that activations stay in the caches: as libtorch's in the trainer's transformer.
        BatchSize = Math.Clamp((1 << 15) / (metadata.Shape.Height * metadata.Shape.Width), 8, 32);
    }

    /// <summary>The file's bytes, for whoever saves the model again.</summary>
    public byte[] File { get; }

    public OnnxMetadata Metadata { get; }

    /// <summary>The name of the feature column that the model was trained with.</summary>
    public string InputName => _inputs[0];

    public string ScoreName => _outputs[0];

    public string PredictedLabelName => _outputs[1];

    /// <summary>What else the file gives: decisions that stood behind the model.</summary>
    public IReadOnlyList<string> OtherOutputs { get; }

    /// <summary>Whether the input is uint8, else it is float32.</summary>
    public bool TakesBytes { get; }

    public int NumberOfClasses => Metadata.ClassNames.Count;

    /// <summary>Rows that are scored together.</summary>
    public int BatchSize { get; }

    /// <param name="env">Settings, and for reading label values.</param>
    /// <param name="file">The model.</param>
    /// <param name="source">What the model is called in messages, such as its path.</param>
    /// <param name="configure">Changes how ONNX Runtime runs it; null takes the context's GPU where it names one.</param>
    /// <exception cref="InvalidDataException">It is not a file of SaveOnnx, or damaged.</exception>
    /// <exception cref="InvalidOperationException">The native library of ONNX Runtime is missing.</exception>
    public static OnnxClassifier Load(IHostEnvironment env, byte[] file, string source, Action<SessionOptions>? configure)
    {
        InferenceSession session = OnnxSession.Create(file, source,
            configure ?? (settings => OnnxSession.UseGpu(env, settings)));
        try
        {
            return new OnnxClassifier(session, file, OnnxContract.Read(env, session, source));
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Fills <paramref name="scores"/> [rows × classes], of which the file's class is always the largest.</summary>
    /// <param name="pixels">As the input takes them.</param>
    /// <param name="rows">How many images.</param>
    /// <param name="scores">Receives the probabilities.</param>
    public void Score<T>(Memory<T> pixels, int rows, Span<float> scores)
        where T : unmanaged
    {
        (int channels, int height, int width) = Metadata.Shape;
        long[] dimensions = Metadata.ChannelsLast ? [rows, height, width, channels] : [rows, channels, height, width];
        using OnnxClassifier held = Share();
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, pixels, dimensions);
        using IDisposableReadOnlyCollection<OrtValue> results = _session.Run(_runOptions, _inputs, [input], _outputs);
        ReadOnlySpan<float> computed = results[0].GetTensorDataAsSpan<float>();
        if (computed.Length != rows * NumberOfClasses)
            throw new InvalidOperationException(
                $"ONNX Runtime gave {computed.Length} scores for {rows} images of {NumberOfClasses} classes: the model is damaged.");
        computed.CopyTo(scores);
        string[] labels = results[1].GetStringTensorAsArray();
        for (int row = 0; row < rows; row++)
            Favour(_classes.GetValueOrDefault(labels[row], -1), scores.Slice(row * NumberOfClasses, NumberOfClasses));
    }

    /// <summary>One more owner of this model, if only for one call; each disposes it once.</summary>
    /// <exception cref="ObjectDisposedException">The last owner has disposed it.</exception>
    public OnnxClassifier Share()
    {
        int references = Volatile.Read(ref _references);
        while (references > 0)
        {
            int found = Interlocked.CompareExchange(ref _references, references + 1, references);
            if (found == references)
                return this;
            references = found;
        }

        throw new ObjectDisposedException("OnnxImageClassifierTransformer");
    }

    /// <summary>Gives up one reference; the last one frees the session.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            _runOptions.Dispose();
            _session.Dispose();
        }
    }

    /// <summary>Two probabilities that are one float32 may be of unequal logits, by which the file decides: its class gets the larger
    /// one, as in <see cref="Softmax"/>.</summary>
    private static void Favour(int predicted, Span<float> row)
    {
        int largest = (int)ProbabilityBuffer.Key(row) - 1;
        if (predicted >= 0 && largest != predicted && row[predicted] == row[largest])
            row[predicted] = MathF.BitIncrement(row[predicted]);
    }
}
