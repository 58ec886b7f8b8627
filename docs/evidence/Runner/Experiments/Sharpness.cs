using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>How sharp are the minima? Largest eigenvalue and trace of the Hessian of the training loss, and the loss along random
/// directions.</summary>
internal sealed class Sharpness : Experiment
{
    public static readonly double[] Distances = [-1, -0.75, -0.5, -0.25, -0.1, 0, 0.1, 0.25, 0.5, 0.75, 1];

    public override string Name => "sharpness";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.Fashion5000];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(
            Name, ["setting", "method", "rho", "seed"], ["largest_eigenvalue", "trace", "trace_error", .. Distances.Select(
                d => $"loss_at_{Text.Of(d)}")]);
        foreach (Setting setting in settings)
        {
            Radii radii = Tuning.ChooseRadii(laboratory, setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from method in Method.Four(radii)
                select new Run([setting.Name, method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)], () =>
                    Measure(laboratory, setting, method, seed)));
        }
    }

    private static double[] Measure(Laboratory laboratory, Setting setting, Method method, int seed)
    {
        (int images, int iterations, int samples) = laboratory.IsSmoke ? (64, 5, 5) : (512, 25, 25);
        using SharpnessAwareImageClassificationTransformer model = laboratory.Train(setting, method, seed);
        ImageSet training = laboratory.Images(setting).Training;
        using var hessian = new LossLandscape(model.Classifier, training.Range(0, Math.Min(images, training.Count)), seed);
        (double trace, double error) = hessian.Trace(samples);
        return [hessian.LargestEigenvalue(iterations), trace, error, .. hessian.LossAlongRandomDirection(Distances)];
    }
}
