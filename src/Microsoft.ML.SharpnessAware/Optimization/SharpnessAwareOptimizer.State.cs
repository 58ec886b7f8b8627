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
    // since version 2, for each parameter:
    //     long: number of steps in which it had a gradient
    //     double, double, double: learning rate factor, weight decay (not a number where it is the base optimiser's), ρ factor
    // the rule's state; of the flat vectors' rules:
    //     int: number of state vectors
    //     byte[][]: the state vectors, as long as the flat vector each
    // of TorchSharp's: what TorchSharp saves, since version 3 as a CheckedBlock

    private const uint Signature = 0x4F4D4153;
    private const int Version = 3, WithoutChecksum = 2, WithoutGroups = 1;

    /// <summary>
    /// Writes what an exact continuation needs beside the module's own weights and buffers: momentum or moments, the number of steps,
    /// learning rate, ρ and the factors of parameter groups; of one of TorchSharp's optimisers what TorchSharp saves of it. The state of
    /// torch's random numbers (dropout) is the caller's to keep, and so is a learning-rate scheduler of TorchSharp's.
    /// </summary>
    /// <param name="writer">Where to write. It is left open.</param>
    /// <exception cref="NotSupportedException">The base optimiser is one that TorchSharp has no method to save: of somebody's own, and not
    /// derived from <c>OptimizerHelper</c>. Nothing is written.</exception>
    public void Save(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ObjectDisposedException.ThrowIf(_disposed, this);
        _rule.CheckCanSave();
        writer.Write(Signature);
        writer.Write(Version);
        writer.Write(_parameters.DType.ToString());
        writer.Write(_rule.Name);
        writer.Write(_parameters.Names.Count);
        foreach (string name in _parameters.Names)
            writer.Write(name);
        writer.Write(LearningRate);
        writer.Write(Rho);
        writer.Write(_completedSteps);
        foreach (FlatParameter member in _parameters.Members)
        {
            writer.Write(member.Steps);
            writer.Write(member.LearningRateFactor);
            writer.Write(member.WeightDecay ?? double.NaN);
            writer.Write(member.RhoFactor);
        }
        _rule.Save(writer);
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
            int version = reader.ReadInt32();
            if (version is not (WithoutGroups or WithoutChecksum))
                Expect(Version, version, "version of the format");
            Expect(_parameters.DType.ToString(), reader.ReadString(), "element type");
            Expect(_rule.Name, reader.ReadString(), "base optimiser");
            Expect(_parameters.Names.Count, reader.ReadInt32(), "number of trainable parameters");
            foreach (string name in _parameters.Names)
                Expect(name, reader.ReadString(), "parameter");
            double learningRate = Require.NonNegativeFloat(reader.ReadDouble(), nameof(LearningRate));
            double rho = Require.NonNegativeFloat(reader.ReadDouble(), nameof(Rho));
            long completedSteps = reader.ReadInt64();
            if (completedSteps < 0)
                throw new InvalidDataException($"The optimiser's state is damaged: its number of steps is {completedSteps}.");
            (long Steps, double LearningRateFactor, double WeightDecay, double RhoFactor)[] members = version == WithoutGroups
                ? []
                : [.. _parameters.Members.Select(_ => ReadMember(reader))];
            Action load = _rule.Load(reader, isChecked: version > WithoutChecksum);

            (LearningRate, Rho, _completedSteps) = (learningRate, rho, completedSteps);
            load();
            foreach (FlatParameter member in _parameters.Members)
                member.Steps = completedSteps;
            foreach ((FlatParameter member, var saved) in _parameters.Members.Zip(members))
            {
                member.Steps = saved.Steps;
                member.LearningRateFactor = saved.LearningRateFactor;
                member.WeightDecay = double.IsNaN(saved.WeightDecay) ? null : saved.WeightDecay;
                member.RhoFactor = saved.RhoFactor;
            }
        }
        catch (IOException e)
        {
            // Either that, or a text has a negative length, which BinaryReader tells like this.
            throw new InvalidDataException("The optimiser's state ends early or is damaged: the file was cut short.", e);
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or FormatException)
        {
            throw new InvalidDataException($"The optimiser's state is damaged: {e.Message}", e);
        }
    }

    private static (long Steps, double LearningRateFactor, double WeightDecay, double RhoFactor) ReadMember(BinaryReader reader)
    {
        long steps = reader.ReadInt64();
        double learningRateFactor = Require.NonNegativeFloat(reader.ReadDouble(), nameof(ParameterGroup.LearningRateFactor));
        double weightDecay = reader.ReadDouble();
        if (!double.IsNaN(weightDecay))
            Require.NonNegativeFloat(weightDecay, nameof(ParameterGroup.WeightDecay));
        double rhoFactor = Require.NonNegativeFloat(reader.ReadDouble(), nameof(ParameterGroup.RhoFactor));
        return steps >= 0
            ? (steps, learningRateFactor, weightDecay, rhoFactor)
            : throw new InvalidDataException($"The optimiser's state is damaged: a parameter's number of steps is {steps}.");
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
