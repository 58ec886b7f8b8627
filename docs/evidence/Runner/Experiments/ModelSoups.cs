using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;
using TorchSharp;
using static TorchSharp.torch;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// What another training gives: the mean of the weights of both (Wortsman et al. 2022, "Model soups"), with another seed, in larger
/// steps, or with another fifth of the pictures set aside, whose temperature can then come from both fifths.
/// </summary>
/// <remarks>20 pictures a class at 96×96, as in <see cref="FineTuningDefaults"/>. The fifths are of pictures that lie next to each other
/// in the data. Other steps and other fifths with seed 1 only.</remarks>
internal sealed class ModelSoups : Experiment
{
    private const int Each = 20;
    private const int Folds = 5;

    private static readonly string[] OfSeeds = ["one", "other seed", "mean of two seeds", "mean of three seeds", "vote of three seeds"];

    private static readonly string[] OfOthers =
    [
        "large steps", "large steps: mean of two seeds", "mean of small and large steps", "one at the temperature of two fifths",
        "mean of two fifths",
    ];

    /// <summary>What is measured.</summary>
    public static IReadOnlyList<string> Models { get; } = [.. OfSeeds, .. OfOthers];

    public override string Name => "model-soups";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.FashionPictures, Setting.CifarPictures, Setting.SignPictures];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "pictures", "model", "seed"], Scores.Columns);
        int each = laboratory.IsSmoke ? 6 : Each;
        Do(OfSeeds, Seeds, laboratory.Seeds);
        Do(OfOthers, Others, 1);

        void Do(string[] models, Func<Laboratory, Setting, int, int, Dictionary<string, double[]>> measure, int seeds) => laboratory.Do(
            file, Name,
            from seed in Enumerable.Range(1, seeds)
            from setting in settings
            let scores = new Lazy<Dictionary<string, double[]>>(() => measure(laboratory, setting, each, seed))
            from model in models
            select new Run([setting.Name, Text.Of(each), model, Text.Of(seed)], () => scores.Value[model]));
    }

    private static Dictionary<string, double[]> Seeds(Laboratory laboratory, Setting setting, int each, int seed)
    {
        ImageSplit images = laboratory.Images(setting);
        (ImageSet first, ImageSet fifth) = Fold(images.Training.OfEachClass(each, seed), 0);
        using SharpnessAwareImageClassificationTransformer one = Train(laboratory, first, fifth, seed, 1e-3),
            second = Train(laboratory, first, fifth, seed + 1000, 1e-3), third = Train(laboratory, first, fifth, seed + 2000, 1e-3);
        Dictionary<string, double[]> found = new()
        {
            ["one"] = Score(one), ["other seed"] = Score(second),
            ["vote of three seeds"] = Of(
                Vote(Scored(one, images.Test), Scored(second, images.Test), Scored(third, images.Test)),
                Temperature(Vote(Scored(one, fifth), Scored(second, fifth), Scored(third, fifth)))),
        };
        Add(one, second, 0.5);
        found["mean of two seeds"] = Score(one);
        Add(one, third, 1.0 / 3);
        found["mean of three seeds"] = Score(one);
        return found;

        double[] Score(SharpnessAwareImageClassificationTransformer model) =>
            Of(Scored(model, images.Test), Temperature(Scored(model, fifth)));
    }

    private static Dictionary<string, double[]> Others(Laboratory laboratory, Setting setting, int each, int seed)
    {
        ImageSplit images = laboratory.Images(setting);
        ImageSet training = images.Training.OfEachClass(each, seed);
        (ImageSet first, ImageSet fifth) = Fold(training, 0);
        (ImageSet second, ImageSet otherFifth) = Fold(training, 1);
        using SharpnessAwareImageClassificationTransformer one = Train(laboratory, first, fifth, seed, 1e-3),
            large = Train(laboratory, first, fifth, seed, 3e-3), otherLarge = Train(laboratory, first, fifth, seed + 1000, 3e-3),
            fold = Train(laboratory, second, otherFifth, seed, 1e-3);
        double ofBoth = Temperature(Scored(one, fifth), Scored(fold, otherFifth));
        Dictionary<string, double[]> found = new()
        {
            ["large steps"] = Of(Scored(large, images.Test), Temperature(Scored(large, fifth))),
            ["one at the temperature of two fifths"] = Of(Scored(one, images.Test), ofBoth),
        };
        Add(otherLarge, large, 0.5);
        found["large steps: mean of two seeds"] = Of(Scored(otherLarge, images.Test), Temperature(Scored(otherLarge, fifth)));
        Add(large, one, 0.5);
        found["mean of small and large steps"] = Of(Scored(large, images.Test), Temperature(Scored(large, fifth)));
        Add(one, fold, 0.5);
        found["mean of two fifths"] = Of(Scored(one, images.Test), ofBoth);
        return found;
    }

    private static SharpnessAwareImageClassificationTransformer Train(
        Laboratory laboratory, ImageSet training, ImageSet aside, int seed, double rate)
    {
        var mlContext = new MLContext(seed);
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image", ImageWidth = FineTuningDefaults.Side, ImageHeight = FineTuningDefaults.Side,
            ValidationSet = aside.ToPictures(mlContext), Seed = seed, CancellationToken = laboratory.Cancellation,
        };
        FineTuningVariant.Gentle(0.01, rate).Apply(options);
        if (laboratory.IsSmoke)
            (options.ImageWidth, options.ImageHeight, options.Epoch) = (32, 32, 2);
        return mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)
            .Fit(training.ToPictures(mlContext)).WithTemperature(1);
    }

    /// <summary>Moves a network's weights towards another's by a share of the way.</summary>
    private static void Add(
        SharpnessAwareImageClassificationTransformer to, SharpnessAwareImageClassificationTransformer other, double share)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Dictionary<string, Tensor> weights = ModuleWeights.Of(other.Classifier.Network);
        foreach ((string name, Tensor tensor) in ModuleWeights.Of(to.Classifier.Network))
        {
            if (tensor.is_floating_point())
                tensor.lerp_(weights[name], share);
        }
    }

    private static ScoreSet Scored(SharpnessAwareImageClassificationTransformer model, ImageSet images) =>
        ScoreSet.Of(model, images.ToPictures(new MLContext()), images.Labels, images.NumberOfClasses);

    private static ScoreSet Vote(params ScoreSet[] sets) => sets[0] with
    {
        Probabilities =
        [
            .. Enumerable.Range(0, sets[0].Probabilities.Length).Select(i => sets.Average(set => set.Probabilities[i])),
        ],
    };

    private static (ImageSet Others, ImageSet Fold) Fold(ImageSet all, int fold)
    {
        var rows = Enumerable.Range(0, all.Count).GroupBy(row => all.Labels[row]).SelectMany(
            group => group.Select((row, place) => (Row: row, Fold: place * Folds / group.Count()))).OrderBy(row => row.Row).ToArray();
        return (all.Choose(rows.Where(row => row.Fold != fold).Select(row => row.Row)),
            all.Choose(rows.Where(row => row.Fold == fold).Select(row => row.Row)));
    }

    private static double Temperature(params ScoreSet[] sets) => new CalibrationRows(
        [.. sets.SelectMany(set => set.Probabilities)], [.. sets.SelectMany(set => set.Labels)], sets[0].Classes).FitTemperature();

    private static double[] Of(ScoreSet set, double temperature) => Scores.Of(set.Metrics(), set.At(temperature).Metrics(), temperature);
}
