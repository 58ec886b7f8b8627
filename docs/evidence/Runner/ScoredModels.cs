using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;

namespace MLSharpness.Evidence;

/// <summary>Models of several kinds, and what they say of images that they were not trained on. Scores are kept, so each model is trained
/// once.</summary>
internal sealed class ScoredModels(Laboratory laboratory)
{
    private const int Known = 5;        // of the ten classes, those that the fine-tuned network has seen before

    /// <summary>ML.NET's two usual trainers, two networks from scratch, and one that was fine-tuned on few images.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["LightGBM", "maximum entropy", "ResNet-8 SGD", "ResNet-8 CSAM", "fine-tuned ResNet-8"];

    public static Setting Setting { get; } =
        new("fashion-3000", folder => folder.Fashion(3_000, 3_000, test: 5_000), NetworkArchitecture.ResNet8, 20) { HasRivals = false };

    public ScoreSplit Get(string name, int seed)
    {
        string path = Path.Combine(laboratory.ModelsFolder, "scores", $"{name} {seed}.bin");
        if (File.Exists(path))
            return Read(path, name);
        ScoreSplit scores = name switch
        {
            "LightGBM" => Trained(name, seed, mlContext =>
                mlContext.MulticlassClassification.Trainers.LightGbm(numberOfIterations: laboratory.IsSmoke ? 5 : 100)),
            "maximum entropy" => Trained(name, seed, mlContext => mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy(
                l1Regularization: 0, l2Regularization: 0.01f)),
            "ResNet-8 SGD" => Network(name, Method.Base, seed),
            "ResNet-8 CSAM" => Network(name, Method.Csam(0.1, 1), seed),
            _ => FineTuned(name, seed),
        };
        Write(path, scores);
        return scores;
    }

    /// <summary>By a trainer of ML.NET, on pixels. The seed chooses three quarters of the training images.</summary>
    private ScoreSplit Trained(string name, int seed, Func<MLContext, IEstimator<ITransformer>> trainer)
    {
        ImageSplit images = laboratory.Images(Setting);
        var mlContext = new MLContext(seed);
        int[] rows = [.. Enumerable.Range(0, images.Training.Count)];
        new Random(seed).Shuffle(rows);
        ImageSet training = images.Training.Choose(rows[..(3 * rows.Length / 4)]);
        IEstimator<ITransformer> pixels = mlContext.Transforms.Conversion.ConvertType("Features", "Image", DataKind.Single)
            .Append(mlContext.Transforms.NormalizeMinMax("Features", fixZero: true));
        IDataView view = training.ToDataView(mlContext);
        ITransformer prepare = pixels.Fit(view);
        ITransformer model = prepare.Append(trainer(mlContext).Fit(mlContext.Data.Cache(prepare.Transform(view))));
        return new(name, Score(model, images.Validation), Score(model, images.Test));
    }

    private ScoreSplit Network(string name, Method method, int seed)
    {
        ImageSplit images = laboratory.Images(Setting);
        using SharpnessAwareImageClassificationTransformer trained = laboratory.Train(Setting, method, seed);
        using SharpnessAwareImageClassificationTransformer model = trained.WithTemperature(1);
        return new(name, Score(model, images.Validation), Score(model, images.Test));
    }

    /// <summary>Trained on five classes, then on thirty images each of the five others.</summary>
    private ScoreSplit FineTuned(string name, int seed)
    {
        const int Each = 30;
        ImageSplit images = laboratory.Images(Setting);
        ImageSet before = images.Training.Choose(Rows(images.Training, label => label < Known)) with { NumberOfClasses = Known };
        ImageSet few = New(images.Training), calibration = New(images.Validation), test = New(images.Test);
        few = few.Choose(Enumerable.Range(0, Known).SelectMany(k => Rows(few, label => label == k).Skip(Each * (seed - 1)).Take(Each)));
        string weights = Path.Combine(laboratory.ModelsFolder, "scores", $"five classes {seed}.safetensors");
        using (SharpnessAwareImageClassificationTransformer first = Fit(before, null))
            first.SaveWeights(weights);
        using SharpnessAwareImageClassificationTransformer model = Fit(few, weights);
        return new(name, Score(model, calibration), Score(model, test));

        ImageSet New(ImageSet from)
        {
            ImageSet others = from.Choose(Rows(from, label => label >= Known));
            return others with { Labels = [.. others.Labels.Select(label => label - Known)], NumberOfClasses = Known };
        }

        static IEnumerable<int> Rows(ImageSet from, Func<int, bool> isWanted) =>
            Enumerable.Range(0, from.Count).Where(row => isWanted(from.Labels[row]));

        SharpnessAwareImageClassificationTransformer Fit(ImageSet training, string? initialWeights)
        {
            var mlContext = new MLContext(seed);
            return mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(
                new SharpnessAwareImageClassificationTrainer.Options
            {
                FeatureColumnName = "Image",
                Arch = laboratory.Sized(Setting).Architecture,
                Epoch = laboratory.IsSmoke ? 1 : initialWeights is null ? 10 : 15,
                BatchSize = initialWeights is null ? 128 : 16,
                BaseOptimizer = new BaseOptimizer.Sgd(LearningRate: initialWeights is null ? 0.1 : 0.01),
                Augmentation = Augmentation.None,
                Method = SharpnessAwareMethod.Standard,
                InitialWeights = initialWeights,
                Calibration = ProbabilityCalibration.None,
                Seed = seed,
            }).Fit(training.ToDataView(mlContext));
        }
    }

    private static ScoreSet Score(ITransformer model, ImageSet images) =>
        ScoreSet.Of(model, images.ToDataView(new MLContext()), images.Labels, images.NumberOfClasses);

    private static void Write(string path, ScoreSplit scores)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.Write(path, file =>
        {
            using var writer = new BinaryWriter(file, System.Text.Encoding.UTF8, leaveOpen: true);
            foreach (ScoreSet set in new[] { scores.Calibration, scores.Test })
            {
                writer.Write(set.Classes);
                writer.Write(set.Count);
                foreach (int label in set.Labels)
                    writer.Write(label);
                foreach (float probability in set.Probabilities)
                    writer.Write(probability);
            }
        });
    }

    private static ScoreSplit Read(string path, string name)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        return new(name, ReadSet(), ReadSet());

        ScoreSet ReadSet()
        {
            int classes = reader.ReadInt32();
            int[] labels = new int[reader.ReadInt32()];
            for (int row = 0; row < labels.Length; row++)
                labels[row] = reader.ReadInt32();
            float[] probabilities = new float[labels.Length * classes];
            for (int i = 0; i < probabilities.Length; i++)
                probabilities[i] = reader.ReadSingle();
            return new(probabilities, labels, classes);
        }
    }
}
