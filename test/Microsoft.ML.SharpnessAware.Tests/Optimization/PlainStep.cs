using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// The two-pass step written down a second time, parameter by parameter with TorchSharp's own optimisers, for comparison.
/// </summary>
internal static class PlainStep
{
    public static optim.Optimizer TorchOptimizer(BaseOptimizer settings, Parameter[] parameters) => settings switch
    {
        BaseOptimizer.Sgd s => optim.SGD(parameters, s.LearningRate, s.Momentum, weight_decay: s.WeightDecay, nesterov: s.Nesterov),
        BaseOptimizer.AdamW a => optim.AdamW(parameters, a.LearningRate, a.Beta1, a.Beta2, a.Epsilon, a.WeightDecay),
        BaseOptimizer.Adam a => optim.Adam(parameters, a.LearningRate, a.Beta1, a.Beta2, a.Epsilon, a.WeightDecay),
        _ => throw new NotSupportedException(),
    };

    public static double[] Train(SharpnessAwareMethod method, BaseOptimizer settings, bool batchNorm, int steps, double? clip = null)
    {
        using DisposeScope scope = NewDisposeScope();
        nn.Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm);
        Parameter[] parameters = [.. net.parameters()];
        using optim.Optimizer optimizer = TorchOptimizer(settings, parameters);

        for (int t = 0; t < steps; t++)
        {
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
            Tensor[] Gradients(double gamma)
            {
                Tensor logP = net.forward(images).log_softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1);
                Tensor damping = gamma == 0 ? ones_like(logP) : where(logP.exp() > 0.5, (-gamma * (1 + logP.exp()).log()).exp(), 1);
                return [.. autograd.grad([-(damping * logP).mean()], parameters)];
            }
            double Norm(Tensor[] gradients) => Math.Sqrt(gradients.Zip(parameters)
                .Sum(p => (method.Adaptive ? p.First * p.Second.abs() : p.First).square().sum().item<double>()));

            Tensor[] g;
            if (method.Rho == 0 && !(method.Renormalize && method.Gamma > 0))
            {
                g = Gradients(method.Gamma);
            }
            else
            {
                g = Gradients(0);
                double norm = Norm(g), scale = method.NormalizeAscent ? method.Rho / (norm + 1e-12) : method.Rho;
                Tensor[] w = [.. parameters.Select(p => p.detach().clone())];
                Tensor[] buffers = [.. net.named_buffers().Select(b => b.buffer.clone())];
                using var noGradient = no_grad();
                for (int k = 0; k < parameters.Length; k++)
                    parameters[k].add_(scale * (method.Adaptive ? w[k].square() * g[k] : g[k]));
                using (enable_grad())
                    g = Gradients(method.Gamma);
                if (method.Renormalize)
                {
                    double factor = norm / (Norm(g) + 1e-12);
                    g = [.. g.Select(x => x * factor)];
                }
                for (int k = 0; k < parameters.Length; k++)
                    parameters[k].copy_(w[k]);
                foreach ((Tensor buffer, Tensor saved) in net.named_buffers().Select(b => b.buffer).Zip(buffers))
                    buffer.copy_(saved);
            }

            for (int k = 0; k < parameters.Length; k++)
                parameters[k].grad = g[k];
            if (clip is { } maximum)
                nn.utils.clip_grad_norm_(parameters, maximum);
            optimizer.step();
        }
        return TestNets.Values(net);
    }
}
