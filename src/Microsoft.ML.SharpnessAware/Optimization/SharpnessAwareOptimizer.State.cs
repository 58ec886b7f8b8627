using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

public sealed partial class SharpnessAwareOptimizer
{
    // *** Binary format ***
    // uint: signature, "SAMO"
    // int: version of the format
    // string: element type
    // string: name of the base optimiser's update rule
    // int: number of parameters
    // string[]: name and shape of each parameter, in the order of the flat vector
    // double: learning rate
    // double: ρ
    // long: number of completed steps
    // int: number of state vectors
    // byte[][]: the state vectors, as long as the flat vector each

    private const uint Signature = 0x4F4D4153;
    private const int Version = 1;
    private const int StreamBuffer = 1 << 16;

    /// <summary>
    /// Writes what an exact continuation needs beside the module's own weights and buffers: momentum or moments, the number of steps,
    /// learning rate and ρ. The state of torch's random numbers (dropout) is the caller's to keep.
    /// </summary>
    /// <param name="writer">Where to write. It is left open.</param>
    public void Save(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ObjectDisposedException.ThrowIf(_disposed, this);
        writer.Write(Signature);
        writer.Write(Version);
        writer.Write(_parameters.DType.ToString());
        writer.Write(_update.Name);
        writer.Write(_parameters.Names.Count);
        foreach (string name in _parameters.Names)
            writer.Write(name);
        writer.Write(LearningRate);
        writer.Write(Rho);
        writer.Write(_completedSteps);
        writer.Write(_update.State.Count);
        writer.Flush();
        using DisposeScope scope = NewDisposeScope();
        foreach (Tensor state in _update.State)
            state.cpu().WriteBytesToStream(writer.BaseStream, StreamBuffer);
    }

    /// <summary>Reads what <see cref="Save"/> wrote, into an optimiser of the same module and the same kind of base optimiser.</summary>
    /// <param name="reader">Where to read. It is left open, behind the state.</param>
    /// <exception cref="InvalidDataException">
    /// The data is not an optimiser's state, ends early, or belongs to another module or base optimiser. The optimiser is left as it was.
    /// </exception>
    public void Load(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ObjectDisposedException.ThrowIf(_disposed, this);
        using DisposeScope scope = NewDisposeScope();
        try
        {
            if (reader.ReadUInt32() != Signature)
                throw new InvalidDataException("This is not the state of a SharpnessAwareOptimizer.");
            Expect(Version, reader.ReadInt32(), "version of the format");
            Expect(_parameters.DType.ToString(), reader.ReadString(), "element type");
            Expect(_update.Name, reader.ReadString(), "base optimiser");
            Expect(_parameters.Names.Count, reader.ReadInt32(), "number of trainable parameters");
            foreach (string name in _parameters.Names)
                Expect(name, reader.ReadString(), "parameter");
            double learningRate = Require.NonNegative(reader.ReadDouble(), nameof(LearningRate));
            double rho = Require.NonNegative(reader.ReadDouble(), nameof(Rho));
            long completedSteps = reader.ReadInt64();
            if (completedSteps < 0)
                throw new InvalidDataException($"The optimiser's state is damaged: its number of steps is {completedSteps}.");
            Expect(_update.State.Count, reader.ReadInt32(), "number of state vectors (momentum or moments)");
            Tensor[] states = [.. _update.State.Select(s => empty_like(s, device: CPU))];
            foreach (Tensor state in states)
                state.ReadBytesFromStream(reader.BaseStream, StreamBuffer);

            foreach ((Tensor current, Tensor loaded) in _update.State.Zip(states))
                current.copy_(loaded);
            (LearningRate, Rho, _completedSteps) = (learningRate, rho, completedSteps);
        }
        catch (EndOfStreamException e)
        {
            throw new InvalidDataException("The optimiser's state ends early: the file was cut short.", e);
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or FormatException)
        {
            throw new InvalidDataException($"The optimiser's state is damaged: {e.Message}", e);
        }
    }

    private static void Expect<T>(T expected, T found, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, found))
        {
            throw new InvalidDataException(
                $"The optimiser's state does not fit this optimiser: its {what} is '{found}', but '{expected}' is needed.");
        }
    }
}
