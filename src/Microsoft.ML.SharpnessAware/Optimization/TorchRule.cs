using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>One of TorchSharp's optimisers, which sees its parameters' gradients as it always does.</summary>
internal sealed class TorchRule(optim.Optimizer optimizer, FlatParameters parameters) : UpdateRule
{
    public override string Name => optimizer.GetType().Name;

    public override double LearningRate
    {
        get => optimizer.ParamGroups.First().LearningRate;
        set
        {
            foreach (optim.ILearningRateController group in optimizer.ParamGroups)
                group.LearningRate = value;
        }
    }

    public static Func<FlatParameters, UpdateRule> Of(optim.Optimizer optimizer, IReadOnlyList<ParameterGroup>? groups)
    {
        if (groups?.FirstOrDefault(group => group.LearningRateFactor != 1 || group.WeightDecay is not null) is { } wrong)
        {
            throw new ArgumentException(
                $"{wrong}: learning rates and weight decay of groups are settings of TorchSharp's optimiser here. Make it with groups of " +
                "its own.", nameof(groups));
        }
        return parameters => new TorchRule(optimizer, parameters);
    }

    public override void Apply()
    {
        foreach (FlatParameter member in parameters.Members)
            member.Parameter.grad = member.HasGradient ? member.GradientView : null;
        try
        {
            optimizer.step();
        }
        finally
        {
            foreach (FlatParameter member in parameters.Members)
                member.Parameter.grad = null;
        }
    }

    public override void Save(BinaryWriter writer) => Helper.save_state_dict(writer);

    public override Action Load(BinaryReader reader)
    {
        Helper.load_state_dict(reader);
        return () => { };
    }

    public override void Dispose()
    {
    }

    private OptimizerHelper Helper => optimizer as OptimizerHelper
        ?? throw new NotSupportedException($"The state of a {Name} cannot be saved: TorchSharp has no method for it.");
}
