using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Keeps a training's state in a file, with a model that can be used as it is: that of the best epoch so far.</summary>
internal sealed class TrainingCheckpoint(
    string path, RunFingerprint fingerprint, TrainingContext context, ImageClassifier classifier, ClassifierDescription description,
    ProbabilityCalibration calibration)
{
    // *** Binary format *** of the state in a CheckpointFile
    // fingerprint
    // version 1 only, double: metric of the best model
    // byte[]: best model, with its length (see ClassifierFile)
    // state: see TrainingState

    private readonly CheckpointFile _file = new(path);
    private byte[] _bestModel = [];

    /// <summary>Puts the state of the file into a training that has not begun. Returns whether there was a file.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or of another training.</exception>
    public bool Restore(TrainingState state) => _file.Read(
        (reader, version) =>
        {
            fingerprint.CheckSame(reader, version);
            byte[] model = ReadModel(reader, version);
            state.Read(reader, version);
            _bestModel = Described(model);
        },
        context.Channel);

    /// <summary>Looks whether a file that is there is of this training, and leaves everything as it is.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or of another training.</exception>
    public void CheckSame() => _file.Read(fingerprint.CheckSame, channel: null);

    /// <summary>Keeps the network as it is now for the model to be had.</summary>
    public void KeepModel(double temperature, IReadOnlyList<EpochMetrics> history) => _bestModel = ClassifierFile.ToBytes(
        context.Host, classifier, description with { Temperature = temperature, History = history });

    /// <summary>Writes the file.</summary>
    /// <exception cref="IOException">It cannot be written; the checkpoints before it are still there.</exception>
    public void Save(TrainingState state) => _file.Write(writer =>
    {
        fingerprint.Write(writer);
        writer.WriteBytes(_bestModel);
        state.Write(writer);
    });

    /// <summary>The best model of a file, whatever training it is of; empty before the first epoch ended.</summary>
    public static byte[] ReadBestModel(string path, IChannel channel)
    {
        byte[] model = [];
        bool found = new CheckpointFile(path).Read(
            (reader, version) =>
            {
                RunFingerprint.Skip(reader);
                model = ReadModel(reader, version);
            },
            channel);
        return found ? model : throw new FileNotFoundException($"There is no checkpoint '{path}'.", path);
    }

    /// <summary>A model of the file with what may be new in this run: the names of classes and columns, and whether there is a
    /// temperature.</summary>
    private byte[] Described(byte[] model)
    {
        if (model.Length == 0)
            return model;
        SavedClassifier saved = ClassifierFile.FromBytes(context.Host, model, device: "cpu");
        using ImageClassifier best = saved.Classifier;
        return ClassifierFile.ToBytes(context.Host, best, description with
        {
            Temperature = calibration == ProbabilityCalibration.None ? 1 : saved.Description.Temperature,
            History = saved.Description.History,
        });
    }

    private static byte[] ReadModel(BinaryReader reader, int version)
    {
        if (version == 1)
            reader.ReadDouble();
        return reader.ReadBytesWithLength();
    }
}
