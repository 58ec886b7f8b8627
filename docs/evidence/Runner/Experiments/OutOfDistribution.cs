using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>
/// What a classifier says of images unlike those it was trained on: whether its confidence tells them apart (the area under the ROC curve,
/// as the CSAM paper reports), and how far prediction sets that promise 90 % on images like the validation's keep it on corrupted ones.
/// </summary>
/// <remarks>
/// Two kinds of classifier. Small networks from scratch (1,000 images of Fashion-MNIST) by the four methods, the same networks as those of
/// <see cref="Cheaper"/>; the others are hand signs in grey. Heads on a pretrained network's features of CIFAR-10, beside ML.NET's path
/// and LightGBM, 50 pictures a class; the others are Fashion-MNIST's. The area is 0.5 where confidence tells nothing, and of the confidence
/// after the temperature. The sets are <see cref="PredictionSetScore.LeastAmbiguous"/>, their threshold from the validation images.
/// </remarks>
internal sealed class OutOfDistribution : Experiment
{
    private const double Coverage = 0.9;
    private const int TestImages = 1_000;
    private const int PicturesOfAClass = 50;

    /// <summary>The pictures that <see cref="PicturesOfAClass"/> are drawn from.</summary>
    private const int PicturesToDrawFrom = 1_000;

    private static readonly int[] Strengths = [1, 3, 5];

    public override string Name => "out-of-distribution";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.FashionSmall, Setting.CifarFeatures];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "method", "rho", "seed", "test", "strength"],
            ["accuracy", "log_loss", "ece", "confidence", "auroc", "coverage", "set_size"]);
        foreach (Setting setting in settings)
        {
            ImageSplit images = laboratory.Images(setting);
            (string Name, int Strength, ImageSet Images)[] tests = [.. Tests(laboratory, setting, images)];
            (string Name, double Rho, Func<int, (ScoreSet Validation, ScoreSet[] Tests)> Score)[] models = setting == Setting.CifarFeatures
                ? [.. Heads(laboratory, setting, images, tests)]
                : [.. Networks(laboratory, setting, images, tests)];
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from model in models
                let scores = new Lazy<(ScoreSet Validation, ScoreSet[] Tests)>(() => model.Score(seed))
                from test in tests.Select((test, place) => (test.Name, test.Strength, Place: place))
                select new Run([setting.Name, model.Name, Text.Of(model.Rho), Text.Of(seed), test.Name, Text.Of(test.Strength)],
                    () => Measure(scores.Value.Validation, scores.Value.Tests[0], scores.Value.Tests[test.Place])));
        }
    }

    /// <summary>The chance that a clean image is given more confidence than another one, ties counting half.</summary>
    public static double AreaUnderCurve(float[] clean, float[] others)
    {
        float[] sorted = [.. others.Order()];
        double wins = 0;
        foreach (float confidence in clean)
        {
            int below = LowerBound(sorted, confidence), notAbove = LowerBound(sorted, MathF.BitIncrement(confidence));
            wins += below + (0.5 * (notAbove - below));
        }

        return wins / clean.Length / others.Length;
    }

    private static int LowerBound(float[] sorted, float value)
    {
        (int low, int high) = (0, sorted.Length);
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = sorted[middle] < value ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>The clean test images first, each corruption, and images of something else.</summary>
    private static IEnumerable<(string Name, int Strength, ImageSet Images)> Tests(
        Laboratory laboratory, Setting setting, ImageSplit images)
    {
        ImageSet clean = images.Test.Range(0, Math.Min(TestImages, images.Test.Count));
        yield return ("none", 0, clean);
        foreach (string corruption in Corruption.Names)
        {
            foreach (int strength in laboratory.IsSmoke ? [3] : Strengths)
                yield return (corruption, strength, Corruption.Apply(clean, corruption, strength));
        }

        ImageSet others = setting == Setting.CifarFeatures ? laboratory.Images(Setting.FashionFeatures).Test
            : laboratory.Images(Setting.SignGrey).Test;
        yield return ("other images", 0, others);
    }

    private static IEnumerable<(string Name, double Rho, Func<int, (ScoreSet Validation, ScoreSet[] Tests)> Score)> Networks(
        Laboratory laboratory, Setting setting, ImageSplit images, (string Name, int Strength, ImageSet Images)[] tests)
    {
        foreach (Method method in Method.Four(Tuning.ChooseRadii(laboratory, setting)))
        {
            yield return (method.Name, method.Minimises.Rho, seed =>
            {
                using SharpnessAwareImageClassificationTransformer model = laboratory.Train(setting, method, seed);
                return (Scores(images.Validation), [.. tests.Select(test => Scores(test.Images))]);

                ScoreSet Scores(ImageSet set) =>
                    new(Laboratory.Probabilities(model, set), [.. set.Labels], images.Training.NumberOfClasses);
            });
        }
    }

    private static IEnumerable<(string Name, double Rho, Func<int, (ScoreSet Validation, ScoreSet[] Tests)> Score)> Heads(
        Laboratory laboratory, Setting setting, ImageSplit images, (string Name, int Strength, ImageSet Images)[] tests)
    {
        var features = new KeptFeatures(laboratory);
        ImageSet pictures = images.Training.Range(0, PicturesToDrawFrom);
        foreach ((string name, string network) in HeadModels.All)
        {
            yield return (name, 0, seed =>
            {
                float[][] training = features.Of(network, setting.Name + " training", pictures);
                int[] rows = pictures.RowsOfEachClass(laboratory.IsSmoke ? 6 : PicturesOfAClass, seed);
                (ScoreSet unseen, double temperature, ScoreSet[] scores) = HeadModels.Train(
                    name, Array.ConvertAll(rows, row => training[row]), Array.ConvertAll(rows, row => pictures.Labels[row]),
                    [
                        Features("validation", images.Validation),
                        .. tests.Select(test => Features($"{test.Name} {test.Strength}", test.Images)),
                    ], images.Training.NumberOfClasses, seed);
                // ML.NET's models bring no temperature, and get one of their training rows, as Calibrators.CrossFitted gives it.
                if (name != HeadModels.Head)
                {
                    temperature = new CalibrationRows(unseen.Probabilities, unseen.Labels, unseen.Classes).FitTemperature();
                }

                ScoreSet[] scaled = [.. scores.Select(set => set.At(temperature))];
                return (scaled[0], scaled[1..]);
            });

            (float[][] Features, int[] Labels) Features(string what, ImageSet set) =>
                (features.Of(network, $"{setting.Name} {what}", set), [.. set.Labels]);
        }
    }

    private static double[] Measure(ScoreSet validation, ScoreSet clean, ScoreSet test)
    {
        double[] scores = [.. validation.Labels.Select((label, row) => 1.0 - validation.Probabilities[(row * validation.Classes) + label])];
        double threshold = ConformalThreshold.Of(scores, Coverage);
        int covered = 0, members = 0;
        for (int row = 0; row < test.Count; row++)
        {
            for (int k = 0; k < test.Classes; k++)
            {
                if (1.0 - test.Probabilities[(row * test.Classes) + k] <= threshold + Nonconformity.Rounding)
                {
                    members++;
                    covered += k == test.Labels[row] ? 1 : 0;
                }
            }
        }

        MulticlassCalibrationMetrics metrics = test.Metrics();
        return
        [
            metrics.Accuracy, metrics.LogLoss, metrics.ExpectedCalibrationError, metrics.MeanConfidence,
            AreaUnderCurve(clean.Confidences(), test.Confidences()), (double)covered / test.Count, (double)members / test.Count,
        ];
    }
}
