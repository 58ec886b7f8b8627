using System.Numerics.Tensors;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using static TorchSharp.torch;

namespace MLSharpness.Evidence;

/// <summary>
/// Classifiers of kept features, and what each says of its own training rows by models that had not seen them, for calibrators: this
/// library's head as the trainer fits it, and ML.NET's trainers as <c>Calibrators.CrossFitted</c> fits them (five folds by chance, the
/// model trained on all rows).
/// </summary>
internal static class HeadModels
{
    public const string Head = "head (this library)";

    private const int Folds = 5;

    /// <summary>The models by name, and the features that they take.</summary>
    public static IReadOnlyList<(string Name, string Features)> All { get; } =
    [
        (Head, KeptFeatures.Ours), ("maximum entropy on DnnFeaturizeImage", KeptFeatures.MLNet),
        ("maximum entropy on FeaturizeImages", KeptFeatures.Ours), ("LightGBM on FeaturizeImages", KeptFeatures.Ours),
    ];

    /// <summary>Trains a model.</summary>
    /// <param name="name">One of <see cref="All"/>.</param>
    /// <param name="training">Features of the rows to train on.</param>
    /// <param name="labels">Their classes.</param>
    /// <param name="tests">Features of other rows, each with their classes.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="seed">Draws the folds, and is the seed of the trainer.</param>
    /// <returns>The scores of training rows by models that had not seen them, the temperature that the model brings itself (1 where it
    /// brings none), and the scores of each test.</returns>
    public static (ScoreSet Unseen, double Temperature, ScoreSet[] Tests) Train(
        string name, float[][] training, int[] labels, (float[][] Features, int[] Labels)[] tests, int classes, int seed)
    {
        if (name == Head)
        {
            using ImageDataset data = Dataset(training, labels, classes);
            FittedHead head = FittedHead.Fit(data, validation: null, () => { });
            return (new(Softmax(head.HeldOutLogits, classes), head.HeldOutLabels, classes), head.Temperature,
                [.. tests.Select(test =>
                {
                    using ImageDataset rows = Dataset(test.Features, test.Labels, classes);
                    return new ScoreSet(Softmax(head.LogitsOf(rows), classes), test.Labels, classes);
                })]);
        }

        int[] order = [.. Enumerable.Range(0, labels.Length)];
        new Random(seed).Shuffle(order);
        List<ScoreSet> folds = [];
        for (int fold = 0; fold < Folds; fold++)
        {
            int[] held = [.. order.Where((_, place) => place % Folds == fold)];
            int[] learns = [.. order.Where((_, place) => place % Folds != fold)];
            ITransformer ofFold = Fit(name, Rows(training, learns), Rows(labels, learns), classes, seed);
            folds.Add(Scores(ofFold, Rows(training, held), Rows(labels, held), classes));
        }

        ITransformer model = Fit(name, training, labels, classes, seed);
        return (new([.. folds.SelectMany(fold => fold.Probabilities)], [.. folds.SelectMany(fold => fold.Labels)], classes), 1,
            [.. tests.Select(test => Scores(model, test.Features, test.Labels, classes))]);
    }

    private static ITransformer Fit(string name, float[][] features, int[] labels, int classes, int seed)
    {
        var mlContext = new MLContext(seed);
        IDataView rows = KeptFeatures.ToDataView(mlContext, features, labels, classes);
        return name.StartsWith("LightGBM", StringComparison.Ordinal)
            ? mlContext.MulticlassClassification.Trainers.LightGbm().Fit(rows)
            : mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy().Fit(rows);
    }

    private static ScoreSet Scores(ITransformer model, float[][] features, int[] labels, int classes) =>
        ScoreSet.Of(model, KeptFeatures.ToDataView(new MLContext(), features, labels, classes), labels, classes);

    private static ImageDataset Dataset(float[][] features, int[] labels, int classes) => new(
        new TensorPixels(tensor(features.SelectMany(row => row).ToArray(), [features.Length, KeptFeatures.Count, 1, 1])), rows: null,
        tensor(Array.ConvertAll(labels, label => (long)label)), classes);

    private static float[] Softmax(float[] logits, int classes)
    {
        float[] probabilities = new float[logits.Length];
        for (int start = 0; start < logits.Length; start += classes)
        {
            ReadOnlySpan<float> row = logits.AsSpan(start, classes);
            double largest = TensorPrimitives.Max(row), sum = 0;
            foreach (float logit in row)
                sum += Math.Exp(logit - largest);
            for (int k = 0; k < classes; k++)
                probabilities[start + k] = (float)(Math.Exp(row[k] - largest) / sum);
        }

        return probabilities;
    }

    private static T[] Rows<T>(T[] values, int[] rows) => Array.ConvertAll(rows, row => values[row]);
}
