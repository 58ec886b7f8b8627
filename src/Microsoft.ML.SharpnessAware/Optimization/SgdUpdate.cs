using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>SGD: g ← g + λw; m ← μm + g; w ← w − ηm, or with Nesterov w ← w − η(g + μm).</summary>
internal sealed class SgdUpdate(BaseOptimizer.Sgd settings, FlatParameters parameters) : ParameterUpdate
{
    private readonly Tensor? _momentum = settings.Momentum > 0 ? parameters.CreateState() : null;

    public override string Name => "SGD";

    public override IReadOnlyList<Tensor> State => _momentum is null ? [] : [_momentum];

    public override void Apply(double learningRate, long step)
    {
        Tensor w = parameters.Weights, g = parameters.Gradient;
        using Scalar minusLearningRate = (-learningRate).ToScalar(), momentum = settings.Momentum.ToScalar();
        using Scalar weightDecay = settings.WeightDecay.ToScalar();

        if (settings.WeightDecay > 0)
            parameters.Decayed(g, settings).add_(parameters.Decayed(w, settings), weightDecay);

        if (_momentum is null)
        {
            w.add_(g, minusLearningRate);
            return;
        }

        _momentum.mul_(momentum).add_(g, FixedScalars.One);
        Tensor direction = settings.Nesterov ? g.add_(_momentum, momentum) : _momentum;
        w.add_(direction, minusLearningRate);
    }
}
