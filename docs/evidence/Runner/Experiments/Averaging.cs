using System.Collections.Concurrent;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// Averages of weights, with SGD and with SAM: the last weights, an exponential average of decay 0.99, and the mean of those after each
/// step of the last quarter. Each training gives all three; running statistics are made anew for the averages.
/// </summary>
internal sealed class Averaging : Experiment
{
    private const double Decay = 0.99, LastPart = 0.25;

    private static readonly string[] Kinds = ["last", "exponential 0.99", "uniform 0.25"];

    public override string Name => "averaging";

    public override IReadOnlyList<Setting> DefaultSettings =>
        [Setting.FashionSmall, Setting.SignDigits, Setting.FashionVit, Setting.Fashion5000];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "method", "rho", "weights", "seed"], ["accuracy", "log_loss", "ece"]);
        foreach (Setting setting in settings)
        {
            ConcurrentDictionary<(string Method, int Seed), Lazy<double[][]>> trained = [];
            Radii radii = Tuning.ChooseRadii(laboratory, setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from method in new[] { Method.Base, Method.Sam(radii.Sam) }
                from kind in Enumerable.Range(0, Kinds.Length)
                select new Run([setting.Name, method.Name, Text.Of(method.Minimises.Rho), Kinds[kind], Text.Of(seed)], () =>
                    trained.GetOrAdd((method.Name, seed), _ => new Lazy<double[][]>(
                        () => Train(laboratory.Images(setting), laboratory.Sized(setting), method, seed))).Value[kind]));
        }
    }

    /// <summary>The scores of each kind on the test images.</summary>
    private static double[][] Train(ImageSplit images, Setting setting, Method method, int seed)
    {
        using var training = new BareTraining(images.Training, setting, method.Minimises, setting.Base.LearningRate, seed);
        using WeightAverage exponential = WeightAverage.Exponential(training.Optimizer, Decay), uniform =
            WeightAverage.Uniform(training.Optimizer);
        long step = 0;
        training.Run(_ =>
        {
            exponential.Update();
            if (++step > (1 - LastPart) * training.TotalSteps)
                uniform.Update();
        });
        double[] last = training.Judge(images.Test);
        return [last, Averaged(exponential), Averaged(uniform)];

        double[] Averaged(WeightAverage average)
        {
            using IDisposable applied = average.Apply();
            training.UpdateStatistics();
            return training.Judge(images.Test);
        }
    }
}
