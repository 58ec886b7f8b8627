using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// The regime of the papers: a network that has fitted a large set. All of Fashion-MNIST with ResNet-8 for so many epochs that the training
/// loss of plain SGD falls below 0.05, the four methods.
/// </summary>
/// <remarks>
/// Hours a training on a core, so each writes a checkpoint and the next sitting continues it. ρ = 0.1 for all, what the validation images
/// chose with 5,000 images for most: choosing it here would take as long again, and the table says what it is. With ρ = 0.05, the papers'
/// radius, and a fifth more epochs, in a file of its own, because with 0.1 the training loss of those that climb does not fall below 0.05.
/// </remarks>
internal sealed class LearntUntilTheEnd : Experiment
{
    private const double Rho = 0.1;
    private const double SmallerRho = 0.05;
    private const int StepsBetweenCheckpoints = 200;

    public override string Name => "learnt-until-the-end";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.FashionWhole];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        Train(Name, settings, Rho);
        Train(Name + "-smaller-radius",
            settings.Select(setting => setting with { Name = setting.Name + "-longer", Epochs = setting.Epochs * 6 / 5 }), SmallerRho);

        void Train(string name, IEnumerable<Setting> settings, double rho) => laboratory.Do(
            laboratory.Open(name, ["setting", "method", "rho", "seed"],
                [.. Scores.Columns, "train_loss", "least_train_loss", "train_seconds"]),
            name,
            from seed in Enumerable.Range(1, laboratory.Seeds)
            from setting in settings
            from method in Method.Four(new Radii(rho, rho, rho))
            select new Run([setting.Name, method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)],
                () => Measure(laboratory, setting, method, seed)));
    }

    private static double[] Measure(Laboratory laboratory, Setting setting, Method method, int seed)
    {
        using SharpnessAwareImageClassificationTransformer model =
            laboratory.Train(setting, method, seed, checkpointSteps: StepsBetweenCheckpoints);
        return
        [
            .. Laboratory.Score(model, laboratory.Images(setting).Test), model.History[^1].TrainLoss,
            model.History.Min(epoch => epoch.TrainLoss), model.History.Sum(epoch => epoch.Duration.TotalSeconds),
        ];
    }
}
