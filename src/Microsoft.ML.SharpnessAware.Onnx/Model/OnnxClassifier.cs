using System.Runtime.ExceptionServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A file of SaveOnnx in ONNX Runtime: from pixels to probabilities.</summary>
/// <remarks>
/// <para>Scoring may run on several threads at once. Who scores holds the sessions meanwhile, by counting references.</para>
/// <para>One image, or a few, are computed by all threads of one session, operator by operator. Full batches are shared out instead: each
/// processor scores some rows from pixels to probabilities in a second session, which has one thread for each call and is made when first
/// needed. The processors then need not wait for each other after each operator, which costs a tenth where they are free and half
/// of the time where one is busy with something else. Where that session cannot be made, the first one scores full batches, too.</para>
/// </remarks>
internal sealed class OnnxClassifier : IDisposable
{
    private readonly InferenceSession _session;
    private readonly Lazy<InferenceSession?>? _shared;  // null where the session's settings are the caller's, or a GPU's
    private readonly RunOptions _runOptions = new();
    private readonly string[] _inputs;
    private readonly string[] _outputs;
    private readonly Dictionary<string, int> _classes = [];
    private readonly SharedOwnership _ownership = new("OnnxImageClassifierTransformer");

    private OnnxClassifier(InferenceSession session, Lazy<InferenceSession?>? shared, byte[] file, OnnxMetadata metadata)
    {
        _session = session;
        _shared = shared;
        File = file;
        Metadata = metadata;
        _inputs = [session.InputNames[0]];
        _outputs = [session.OutputNames[0], session.OutputNames[1]];
        OtherOutputs = [.. session.OutputNames.Skip(2)];
        TakesBytes = session.InputMetadata[InputName].ElementDataType == TensorElementType.UInt8;
        foreach (string name in metadata.ClassNames)
            _classes.Add(name, _classes.Count);
        BatchSize = RowsAtOnce(metadata.Shape, shared is null ? null : Processors);
    }

    private static int Processors => Math.Min(Environment.ProcessorCount, 64);

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
    /// <param name="createSecond">Makes the second session; null for the usual way.</param>
    /// <exception cref="InvalidDataException">It is not a file of SaveOnnx, or damaged.</exception>
    /// <exception cref="InvalidOperationException">The native library of ONNX Runtime is missing; it cannot use the GPU, and the context
    /// does not fall back; or the model cannot be loaded with such settings.</exception>
    public static OnnxClassifier Load(IHostEnvironment env, byte[] file, string source, Action<SessionOptions>? configure,
        Func<InferenceSession>? createSecond = null)
    {
        createSecond ??= () => OnnxSession.Create(file, source, settings => settings.IntraOpNumThreads = 1);
        (InferenceSession session, bool isOnGpu) = configure is null
            ? OnnxSession.CreateFor(env, file, source) : (OnnxSession.Create(file, source, configure), false);
        bool isOurs = configure is null && Processors > 1 && !isOnGpu;
        try
        {
            return new OnnxClassifier(session, isOurs ? new(CreateSecond) : null, file, OnnxContract.Read(env, session, source));
        }
        catch
        {
            session.Dispose();
            throw;
        }

        InferenceSession? CreateSecond()
        {
            try
            {
                return createSecond();
            }
            catch (Exception e) when (e is InvalidDataException or InvalidOperationException or OnnxRuntimeException
                                          or OutOfMemoryException)
            {
                using IChannel channel = env.Register(nameof(OnnxClassifier)).Start("Scoring");
                channel.Warning($"Batches are scored in one session, which is slower: a second one could not be made. {e.Message}");
                return null;
            }
        }
    }

    /// <summary>Fills <paramref name="scores"/> [rows × classes], of which the file's class is always the largest.</summary>
    /// <param name="pixels">As the input takes them.</param>
    /// <param name="rows">How many images.</param>
    /// <param name="scores">Receives the probabilities.</param>
    public void Score<T>(Memory<T> pixels, int rows, Span<float> scores)
        where T : unmanaged
    {
        using OnnxClassifier held = Share();
        bool isFull = _shared is not null && rows >= (_shared.IsValueCreated ? Math.Min(Processors, BatchSize) : BatchSize);
        if (isFull && _shared!.Value is { } shared)
            ScoreInParts(shared, pixels, rows, scores);
        else
            ScoreIn(_session, pixels, rows, scores);
    }

    /// <summary>One more owner of this model, if only for one call; each disposes it once.</summary>
    /// <exception cref="ObjectDisposedException">The last owner has disposed it.</exception>
    public OnnxClassifier Share()
    {
        _ownership.Add();
        return this;
    }

    /// <summary>One owner less; the last one frees the session.</summary>
    public void Dispose()
    {
        if (_ownership.Release())
        {
            _runOptions.Dispose();
            _session.Dispose();
            if (_shared?.IsValueCreated == true)
                _shared.Value?.Dispose();
        }
    }

    /// <summary>
    /// Small enough that activations stay in the caches, as libtorch's in the trainer's transformer, for each two processors; and of large
    /// images so few that their pixels take a quarter of a gigabyte.
    /// </summary>
    /// <param name="shape">The images.</param>
    /// <param name="processors">Those among which batches are shared out; null where they are not.</param>
    internal static int RowsAtOnce(ImageShape shape, int? processors)
    {
        const long MostBytes = 1L << 28;
        long area = (long)shape.Height * shape.Width, most = MostBytes / (sizeof(float) * area * shape.Channels);
        long rows = processors is { } count ? count * Math.Clamp((1 << 14) / area, 4, 16) : Math.Clamp((1 << 15) / area, 8, 32);
        return (int)Math.Clamp(most, 1, rows);
    }

    private void ScoreInParts<T>(InferenceSession session, Memory<T> pixels, int rows, Span<float> scores)
        where T : unmanaged
    {
        // Two for each processor: one that is busy with something else takes fewer.
        int parts = Math.Min(2 * Processors, rows), imageValues = Metadata.Shape.ValueCount;
        float[] computed = new float[rows * NumberOfClasses];
        try
        {
            Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = Processors }, part =>
            {
                int from = part * rows / parts, count = ((part + 1) * rows / parts) - from;
                ScoreIn(session, pixels.Slice(from * imageValues, count * imageValues), count,
                    computed.AsSpan(from * NumberOfClasses, count * NumberOfClasses));
            });
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        computed.CopyTo(scores);
    }

    private void ScoreIn<T>(InferenceSession session, Memory<T> pixels, int rows, Span<float> scores)
        where T : unmanaged
    {
        (int channels, int height, int width) = Metadata.Shape;
        long[] dimensions = Metadata.ChannelsLast ? [rows, height, width, channels] : [rows, channels, height, width];
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, pixels, dimensions);
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(_runOptions, _inputs, [input], _outputs);
        ReadOnlySpan<float> computed = results[0].GetTensorDataAsSpan<float>();
        if (computed.Length != rows * NumberOfClasses)
            throw new InvalidOperationException(
                $"ONNX Runtime gave {computed.Length} scores for {rows} images of {NumberOfClasses} classes: the model is damaged.");
        computed.CopyTo(scores);
        string[] labels = results[1].GetStringTensorAsArray();
        for (int row = 0; row < rows; row++)
            Favour(_classes.GetValueOrDefault(labels[row], -1), scores.Slice(row * NumberOfClasses, NumberOfClasses));
    }

    /// <summary>Two probabilities that are one float32 may be of unequal logits, by which the file decides: its class gets the larger
    /// one, as in <see cref="Softmax"/>. A row of NaN has no class.</summary>
    private static void Favour(int predicted, Span<float> row)
    {
        int largest = (int)ProbabilityBuffer.Key(row) - 1;
        if (predicted >= 0 && largest >= 0 && largest != predicted && row[predicted] == row[largest])
            row[predicted] = MathF.BitIncrement(row[predicted]);
    }
}
