using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The file of a training's checkpoint and the one before it. Whenever the process is killed, one of the two is there and complete: a new
/// checkpoint is written beside them and flushed to disk, the current one becomes the previous one, and the new one takes its name.
/// </summary>
internal sealed class CheckpointFile
{
    // *** Binary format ***
    // ulong: signature, "MLSCKPT" and a zero
    // int: version of the format
    // byte[32]: SHA-256 of what follows
    // byte[]: the state

    /// <summary>The version that is written; it and those before it are read.</summary>
    public const int Version = VersionEpochStart;

    /// <summary>From which on what is written in the middle of an epoch has the state at its beginning, where a training that diverges goes
    /// back to it.</summary>
    public const int VersionEpochStart = 5;

    /// <summary>From which on only weights of Conv2d layers are laid out with the channels last, and momentum with them.</summary>
    public const int VersionLayouts = 4;

    /// <summary>From which on the history has its refinements.</summary>
    public const int VersionRefinements = 3;

    private const ulong Signature = 0x0054504B43534C4D;
    private const int HeaderLength = sizeof(ulong) + sizeof(int) + SHA256.HashSizeInBytes;

    private const string TemporarySuffix = ".tmp", PreviousSuffix = ".previous";

    private readonly string _path;
    private readonly string _previous;

    public CheckpointFile(string path)
    {
        // Behind a link, so that the three files lie together.
        _path = RealPath.ToWrite(path) ?? Path.GetFullPath(path);
        _previous = _path + PreviousSuffix;
    }

    /// <summary>Tries whether checkpoints could be written at a path now. Not under the name they are written under, which is shorter than
    /// that of the one before, and may be in use by a training that runs.</summary>
    /// <exception cref="IOException">They could not.</exception>
    public static void CheckWritable(string path)
    {
        AtomicFile.CheckWritable(path, PreviousSuffix);
        if (Directory.Exists(path + TemporarySuffix))
            throw new IOException($"'{path + TemporarySuffix}' is a folder, and checkpoints are written under that name.");
    }

    /// <summary>Writes a checkpoint.</summary>
    /// <exception cref="IOException">It cannot be written; the checkpoints before it are still there.</exception>
    public void Write(Action<BinaryWriter> write) => AtomicFile.Write(
        _path,
        file =>
        {
            using (var writer = new BinaryWriter(file, Encoding.UTF8, leaveOpen: true))
            {
                writer.Write(Signature);
                writer.Write(Version);
                writer.Write(new byte[SHA256.HashSizeInBytes]);
                write(writer);
            }

            file.Position = HeaderLength;
            byte[] hash = SHA256.HashData(file);
            file.Position = HeaderLength - hash.Length;
            file.Write(hash);
        },
        temporary: _path + TemporarySuffix,
        _previous);

    /// <summary>Reads the latest checkpoint that is complete: that before the last only where the last is missing, damaged or empty. What
    /// else lies there may be of use, and the training that would go on would replace it.</summary>
    /// <param name="read">Reads the state, of the version given. Its <see cref="IOException"/> (an early end, a text of negative length)
    /// and <see cref="FormatException"/> mean that it is damaged; what else it throws is passed on.</param>
    /// <param name="channel">Is told where the previous checkpoint has to do.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="InvalidDataException">There are files, but none is a complete checkpoint; the last is of a newer version or no
    /// checkpoint at all; or the state is not one.</exception>
    public bool Read(Action<BinaryReader, int> read, IChannel? channel)
    {
        List<Problem> problems = [];
        foreach (string path in new[] { _path, _previous }.Where(File.Exists))
        {
            // A training that goes on may replace the file meanwhile, which Windows refuses unless readers allow it.
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            if (Find(file, out int version) is (Fault fault, string found))
            {
                problems.Add(new(fault, $"'{path}' {found}"));
                if (fault == Fault.Damaged || file.Length == 0)
                    continue;
                break;
            }

            if (path == _previous)
            {
                channel?.Warning($"Continuing from the checkpoint before the last, '{path}', since " +
                    $"{(problems.Count > 0 ? problems[0].Text : $"'{_path}' is missing")}.");
            }

            file.Position = HeaderLength;
            using var reader = new BinaryReader(file, Encoding.UTF8);
            try
            {
                read(reader, version);
            }
            catch (Exception exception) when (exception is IOException or FormatException)
            {
                throw new InvalidDataException($"The checkpoint '{path}' is damaged: it ends early or holds what cannot be read.",
                    exception);
            }

            return true;
        }

        return problems.Count == 0
            ? false
            : throw new InvalidDataException("There is no checkpoint to continue from: " +
                $"{string.Join(", and ", problems.Select(problem => problem.Text))}. {Advice(problems.Max(problem => problem.Fault))}");
    }

    /// <summary>What to do to train from the beginning where a checkpoint is of no use.</summary>
    public string WayToBeginAnew() =>
        $"Choose another CheckpointPath, or delete '{_path}'{(File.Exists(_previous) ? $" and '{_previous}'" : "")}, to train from the " +
        "beginning.";

    /// <summary>Nothing is to be deleted that was not made here, or that another version could continue from.</summary>
    private string Advice(Fault worst) => worst switch
    {
        Fault.Damaged => WayToBeginAnew(),
        Fault.Newer => "Update the library to continue from it, or choose another CheckpointPath to train from the beginning.",
        _ => "Choose another CheckpointPath.",
    };

    private static (Fault Fault, string Text)? Find(FileStream file, out int version)
    {
        version = 0;
        byte[] header = new byte[HeaderLength];
        int length = file.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false);
        // What a loss of power leaves: zeros, or the first bytes alone.
        int known = Math.Min(length, sizeof(ulong));
        if (length > 0 && (!header.AsSpan(0, known).ContainsAnyExcept((byte)0)
            || (length < sizeof(ulong) && header.AsSpan(0, length).SequenceEqual(BitConverter.GetBytes(Signature).AsSpan(0, length)))))
            return (Fault.Damaged, "is damaged (its beginning is missing)");
        if (length < sizeof(ulong) || BitConverter.ToUInt64(header) != Signature)
            return (Fault.NoCheckpoint, "is not a checkpoint");
        if (length < HeaderLength)
            return (Fault.Damaged, "is damaged (it ends early)");
        version = BitConverter.ToInt32(header, sizeof(ulong));
        if (version < 1)
            return (Fault.Damaged, $"is damaged (its version is {version})");
        if (version > Version)
            return (Fault.Newer, $"is a checkpoint of version {version}, and this library reads versions 1 to {Version}");
        return SHA256.HashData(file).AsSpan().SequenceEqual(header.AsSpan(HeaderLength - SHA256.HashSizeInBytes))
            ? null
            : (Fault.Damaged, "is damaged (its checksum is wrong)");
    }

    /// <summary>Why a file cannot be continued from; the later, the more would be lost with it.</summary>
    private enum Fault
    {
        Damaged,
        Newer,
        NoCheckpoint,
    }

    private readonly record struct Problem(Fault Fault, string Text);
}
