using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A <see cref="BaseOptimizer"/> on the flat vectors: one call for each part whose parameters have the same settings.</summary>
internal sealed class FlatRule(BaseOptimizer settings, FlatParameters parameters) : UpdateRule
{
    private const int StreamBuffer = 1 << 16;

    private readonly Tensor[] _state = [.. Enumerable.Range(0, settings.StateCount).Select(_ => parameters.CreateState())];

    public override string Name => settings.RuleName;

    public override double LearningRate { get; set; } = settings.LearningRate;

    public static Func<FlatParameters, UpdateRule> Of(BaseOptimizer settings)
    {
        Require.NonNegativeFloat(settings.LearningRate, nameof(LearningRate));      // before anything is made
        return parameters => new FlatRule(settings, parameters);
    }

    public override void Apply()
    {
        foreach ((long start, long length, (double factor, double decay, long step)) in parameters.Runs(KeyOf))
        {
            settings.Update(new ParameterUpdate(
                parameters.Weights.narrow(0, start, length), parameters.Gradient.narrow(0, start, length),
                Array.ConvertAll(_state, vector => vector.narrow(0, start, length)), LearningRate * factor, decay, step));
        }
        foreach (FlatParameter member in parameters.Members.Where(member => member.HasGradient))
            member.Steps++;         // where no part has thrown
    }

    public override void Save(BinaryWriter writer)
    {
        writer.Write(_state.Length);
        writer.Flush();
        using DisposeScope scope = NewDisposeScope();
        foreach (Tensor vector in _state)
            vector.cpu().WriteBytesToStream(writer.BaseStream, StreamBuffer);
    }

    public override Action Load(BinaryReader reader, bool isChecked)
    {
        int count = reader.ReadInt32();
        if (count != _state.Length)
        {
            throw new InvalidDataException(
                $"The optimiser's state does not fit this optimiser: its number of state vectors (momentum or moments) is '{count}', but " +
                $"'{_state.Length}' is needed.");
        }
        Tensor[] loaded = [.. _state.Select(vector => empty_like(vector, device: CPU))];
        foreach (Tensor vector in loaded)
            vector.ReadBytesFromStream(reader.BaseStream, StreamBuffer);
        return () =>
        {
            for (int i = 0; i < loaded.Length; i++)
                _state[i].copy_(loaded[i]);
        };
    }

    public override void Dispose() => Array.ForEach(_state, vector => vector.Dispose());

    private (double Factor, double Decay, long Step)? KeyOf(FlatParameter member) =>
        member.HasGradient
            ? (member.LearningRateFactor,
                member.WeightDecay ?? (member.IsMatrix || settings.DecayBiasAndNorm ? settings.DefaultWeightDecay : 0),
                member.Steps + 1)
            : null;
}
