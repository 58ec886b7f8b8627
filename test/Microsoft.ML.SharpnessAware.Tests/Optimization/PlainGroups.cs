using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// SGD without momentum and SAM, SSAM or CSAM written down a second time, one parameter at a time, with a learning rate, decay and ρ factor
/// of each parameter: for comparison with groups.
/// </summary>
internal static class PlainGroups
{
    public static double[] Train(SharpnessAwareMethod method, double learningRate, Func<string,
        (double Rate, double Decay, double Rho)> of, int steps)
    {
        using DisposeScope scope = NewDisposeScope();
        nn.Module<Tensor, Tensor> net = TestNets.ReferenceNet(batchNorm: false);
        (string Name, Parameter Value)[] parameters = [.. net.named_parameters()];
        for (int t = 0; t < steps; t++)
        {
            (Tensor images, Tensor labels) = TestNets.ReferenceBatch(t);
            Tensor[] g = Gradients(0);
            double climbing = Math.Sqrt(parameters.Zip(g).Where(p => of(p.First.Name).Rho > 0).Sum(p => Squares(p.Second)));
            double norm = Math.Sqrt(g.Sum(Squares));
            Tensor[] w = [.. parameters.Select(p => p.Value.detach().clone())];
            using var noGradient = no_grad();
            for (int k = 0; k < g.Length; k++)
                parameters[k].Value.add_(g[k] * (of(parameters[k].Name).Rho * method.Rho / (climbing + 1e-12)));
            using (enable_grad())
                g = Gradients(method.Gamma);
            double factor = method.Renormalize ? norm / (Math.Sqrt(g.Sum(Squares)) + 1e-12) : 1;
            for (int k = 0; k < g.Length; k++)
            {
                (double rate, double decay, _) = of(parameters[k].Name);
                parameters[k].Value.copy_(w[k] - (((g[k] * factor) + (w[k] * decay)) * (learningRate * rate)));
            }

            Tensor[] Gradients(double gamma)
            {
                Tensor logP = net.forward(images).log_softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1), p = logP.exp();
                Tensor damping = gamma == 0 ? ones_like(p) : where(p > 0.5, (1 + p).pow(-gamma), ones_like(p));
                return [.. autograd.grad([-(damping * logP).mean()], [.. parameters.Select(one => one.Value)])];
            }
        }
        return TestNets.Values(net);

        static double Squares(Tensor x) => x.square().sum().item<double>();
    }
}
