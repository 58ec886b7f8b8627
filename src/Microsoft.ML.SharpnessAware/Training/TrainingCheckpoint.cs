using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Keeps a training's state in a file, with a model that can be used as it is: the best one so far, by the metric of early stopping, or
/// else by validation log loss, or, without validation images, the latest.
/// </summary>
internal sealed class TrainingCheckpoint(string path, RunFingerprint fingerprint, EarlyStoppingMetric metric, IChannel channel)
{
    // *** Binary format *** of the state in a CheckpointFile
    // fingerprint
    // double: value of the best model
    // byte[]: best model, with its length (see ClassifierFile)
    // state: see TrainingState

    private readonly CheckpointFile _file = new(path);
    private double _bestValue = double.NegativeInfinity;
    private byte[] _bestModel = [];

    /// <summary>Makes a model of the network as it is, with the history so far.</summary>
    public Func<IReadOnlyList<EpochMetrics>, byte[]> ToModel { get; set; } = _ => [];

    /// <summary>Puts the state of the file into a training that has not begun. Returns whether there was a file.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or of another training.</exception>
    public bool Restore(TrainingState state) => _file.Read(
        reader =>
        {
            fingerprint.CheckSame(reader);
            _bestValue = reader.ReadDouble();
            _bestModel = reader.ReadBytesWithLength();
            state.Read(reader);
        },
        channel);

    /// <summary>Takes note of the history's last epoch, whose weights the network has now.</summary>
    public void Observe(IReadOnlyList<EpochMetrics> history)
    {
        EpochMetrics metrics = history[^1];
        double value = metric == EarlyStoppingMetric.Accuracy ? metrics.ValidationAccuracy : -metrics.ValidationLogLoss;
        if (value > _bestValue || double.IsNaN(value))
            (_bestValue, _bestModel) = (value, ToModel(history));
    }

    /// <summary>Writes the file.</summary>
    /// <exception cref="IOException">It cannot be written; the checkpoints before it are still there.</exception>
    public void Save(TrainingState state) => _file.Write(writer =>
    {
        fingerprint.Write(writer);
        writer.Write(_bestValue);
        writer.WriteBytes(_bestModel);
        state.Write(writer);
    });

    /// <summary>The best model of a file, whatever training it is of; empty before the first epoch ended.</summary>
    public static byte[] ReadBestModel(string path, IChannel channel)
    {
        byte[] model = [];
        bool found = new CheckpointFile(path).Read(
            reader =>
            {
                RunFingerprint.Skip(reader);
                reader.ReadDouble();
                model = reader.ReadBytesWithLength();
            },
            channel);
        return found ? model : throw new FileNotFoundException($"There is no checkpoint '{path}'.", path);
    }
}
