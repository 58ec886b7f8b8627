using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A head on kept features: softmax regression on features of comparable scale, with the ridge that held-out rows choose, and the
/// temperature that calibrates it there.
/// </summary>
/// <remarks>
/// <para>A feature is divided by the root of its deviation, half way between leaving it as it is, where the loudest decide, and dividing
/// it by its deviation, which makes one that hardly fires on the training images as loud as any: in a picture of another source it does
/// fire, and decides with a logit of hundreds. Over three sets of pictures this is worth a point of accuracy and much of the log loss
/// (docs/evidence.md).</para>
/// <para>Held out are validation images where the user has given them, since only he knows what must not be on both sides. Otherwise every
/// training image is, once: five heads are trained, each on four fifths, and each speaks of the fifth that it has not seen (of many images
/// as many fifths as make <see cref="EnoughRows"/>). The head is then trained on all of them, so that none is set aside.</para>
/// <para>A ridge that is large beside what a logistic regression usually has, with a temperature below 1 after it, gives a few points of
/// accuracy where pictures are few (docs/evidence.md).</para>
/// </remarks>
internal sealed class FittedHead
{
    private const int Folds = 5;
    private const int EnoughRows = 2000;
    private const int PatienceOfRidges = 2;
    private const double EnoughToChoose = 1e-7;     // of a log loss: heads that choose a ridge and a temperature, and are thrown away
    private const double NoVariance = 1e-12;

    private static readonly double[] Ridges = [10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];

    private FittedHead()
    {
    }

    /// <summary>[classes × (features + 1)] for features as they are, a class's bias after its weights.</summary>
    public required double[] Weights { get; init; }

    public required double Ridge { get; init; }

    /// <summary>Mean cross entropy of the training images, at temperature 1 and without the ridge.</summary>
    public required double TrainLoss { get; init; }

    /// <summary>Logits [rows × classes] of rows that the head which gave them was not trained on.</summary>
    public required float[] HeldOutLogits { get; init; }

    public required int[] HeldOutLabels { get; init; }

    /// <summary>The temperature that was fitted on them.</summary>
    public required double Temperature { get; init; }

    /// <summary>Whether the held-out rows are training images.</summary>
    public required bool IsCrossFitted { get; init; }

    /// <summary>Trains it.</summary>
    /// <param name="training">Features as pixels [N, features, 1, 1].</param>
    /// <param name="validation">The user's validation images, or null.</param>
    /// <param name="checkAlive">Throws to cancel.</param>
    public static FittedHead Fit(ImageDataset training, ImageDataset? validation, Action checkAlive)
    {
        using DisposeScope scope = NewDisposeScope();
        int classes = training.NumberOfClasses;
        long[] labels = training.Labels.data<long>().ToArray();
        (long[] Learns, long[] HeldOut)[] folds = validation is null ? FoldsOf(labels) : [];
        long[] heldOutRows = [.. folds.SelectMany(fold => fold.HeldOut)];
        LogitArray.Length(validation?.Count ?? heldOutRows.Length, classes, validation is null
            ? "Give a ValidationSet of that many at most." : "Give a smaller ValidationSet.");
        Tensor features = Features(training);
        CheckFinite(features, "training");
        Tensor mean = features.mean([0], keepdim: true), scale = Scale(features);
        Standardise(features, mean, scale);
        Tensor axes = PrincipalAxes(features);
        Tensor standardised = features.matmul(axes);
        features.Dispose();     // of many images these are the largest tensors there are
        int[] heldOutLabels = validation?.LabelArray() ?? Array.ConvertAll(heldOutRows, row => (int)labels[row]);
        Tensor? validationFeatures = null;
        if (validation is not null)
        {
            Tensor raw = Features(validation);
            CheckFinite(raw, "validation");
            Standardise(raw, mean, scale);
            validationFeatures = raw.matmul(axes);
            raw.Dispose();
        }

        double[][] starts = new double[folds.Length + 1][];
        (CautiousTemperature? Temperature, double Ridge, float[] Logits) best = (null, 0, []);
        int since = 0;
        foreach (double ridge in Ridges)
        {
            float[] logits = validationFeatures is null
                ? [.. folds.SelectMany((fold, i) => FitOn(fold.Learns, i, ridge, Rows(fold.HeldOut)))]
                : FitOn(null, folds.Length, ridge, validationFeatures);
            CautiousTemperature temperature = CautiousTemperature.Fit(logits, heldOutLabels, classes);
            if (best.Temperature is null || temperature.Loss < best.Temperature.Loss)
                (best, since) = ((temperature, ridge, logits), 0);
            else if (++since == PatienceOfRidges)
                break;
        }

        double[] weights = new SoftmaxRegression(standardised, labels, classes, checkAlive).Fit(best.Ridge);
        double trainLoss = SoftmaxRegression.Loss(standardised, labels, weights, classes);
        weights = RotatedBack(weights, axes);
        Unstandardise(weights, mean.data<double>().ToArray(), scale.data<double>().ToArray());
        return new FittedHead
        {
            Weights = weights,
            Ridge = best.Ridge,
            TrainLoss = trainLoss,
            HeldOutLogits = best.Logits,
            HeldOutLabels = heldOutLabels,
            Temperature = best.Temperature!.Value,
            IsCrossFitted = validation is null,
        };

        Tensor Rows(long[] rows) => standardised.index_select(0, tensor(rows, device: CPU));

        float[] FitOn(long[]? rows, int index, double ridge, Tensor others)
        {
            using DisposeScope fit = NewDisposeScope();
            var regression = new SoftmaxRegression(
                rows is null ? standardised : Rows(rows), rows is null ? labels : Array.ConvertAll(rows, row => labels[row]), classes,
                    checkAlive);
            starts[index] = regression.Fit(ridge, starts[index], rows is null ? 0 : EnoughToChoose);
            return SoftmaxRegression.Logits(others, starts[index], classes);
        }
    }

    /// <summary>About how long a fit takes.</summary>
    public static double SecondsOf(long rows, long features, int classes)
    {
        // Evaluations for all ridges, seen with and without validation images; two products of matrices each.
        const double Evaluations = 300, OperationsPerSecondOfThread = 1e10;
        return Evaluations * 4 * rows * features * classes / (OperationsPerSecondOfThread * Threads.Useful);
    }

    /// <summary>Logits [rows × classes] of other features, given as pixels.</summary>
    public float[] LogitsOf(ImageDataset features)
    {
        using DisposeScope scope = NewDisposeScope();
        return SoftmaxRegression.Logits(Features(features), Weights, features.NumberOfClasses);
    }

    /// <summary>Puts the weights, divided by a temperature, into a network's head.</summary>
    public void CopyTo(Linear head, double temperature = 1)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        (long classes, long features) = (head.weight.shape[0], head.weight.shape[1]);
        using Scalar divisor = temperature.ToScalar();
        Tensor all = tensor(Weights, [classes, features + 1], device: CPU).div(divisor);
        head.weight.copy_(all.narrow(1, 0, features));
        head.bias!.copy_(all.select(1, features));
    }

    private static void CheckFinite(Tensor features, string of)
    {
        using DisposeScope scope = NewDisposeScope();
        bool[] areFinite = features.isfinite().all(1).data<bool>().ToArray();
        if (Array.IndexOf(areFinite, false) is >= 0 and int image)
        {
            throw new InvalidOperationException(
                $"The network gives numbers that are infinite or NaN for {of} image {image} (counted from 0; " +
                $"{areFinite.Count(each => !each)} of {areFinite.Length} in all), so no head can be trained on them. Its weights, " +
                "or the image's pixels, are too large.");
        }
    }

    /// <summary>A copy in double, which the caller may change.</summary>
    private static Tensor Features(ImageDataset data) => data.Batch(0, data.Count).flatten(1).to(float64, copy: true);

    private static void Standardise(Tensor features, Tensor mean, Tensor scale)
    {
        features.sub_(mean);
        features.div_(scale);
    }

    /// <summary>
    /// The fifths that are held out, each with what is left to learn from. A fifth is a fifth of each class, of images that follow each
    /// other in the data: pictures of one person, of one afternoon or from one film mostly do, and where they are on both sides, the
    /// probabilities are right for those people alone. In data without an order any fifth is as good as another.
    /// </summary>
    private static (long[] Learns, long[] HeldOut)[] FoldsOf(long[] labels)
    {
        int[] fold = new int[labels.Length];
        int next = 0;
        foreach (IGrouping<long, int> rows in Enumerable.Range(0, labels.Length).GroupBy(row => labels[row]).OrderBy(group => group.Key))
        {
            int[] ofClass = [.. rows];
            for (int i = 0; i < ofClass.Length; i++)    // of a class with fewer than five the next fifths in turn get one each
                fold[ofClass[i]] = ofClass.Length < Folds ? next++ % Folds : (int)((long)i * Folds / ofClass.Length);
        }

        int count = Math.Clamp((EnoughRows * Folds / Math.Max(labels.Length, 1)) + 1, 1, Folds);
        return
        [
            .. Enumerable.Range(0, count)
                .Select(i => (RowsWhere(row => fold[row] != i), RowsWhere(row => fold[row] == i)))
                .Where(split => split.Item1.Length > 0 && split.Item2.Length > 0),
        ];

        long[] RowsWhere(Func<int, bool> condition) => [.. Enumerable.Range(0, labels.Length).Where(condition).Select(row => (long)row)];
    }

    /// <summary>What features are divided by: the roots of their deviations, all times one number that gives them a mean variance of
    /// 1.</summary>
    private static Tensor Scale(Tensor features)
    {
        Tensor deviation = features.std(0, unbiased: false, keepdim: true);
        Tensor scale = deviation.mul(deviation.mean()).sqrt();
        return scale.where(scale.gt(FixedScalars.Zero), ones_like(scale));
    }

    /// <summary>
    /// The directions along which features are not correlated, [features × directions], without those in which no two images differ.
    /// Turned that way the regression is quick with them; its minimum is the same, since a ridge knows no directions.
    /// </summary>
    /// <remarks>Of fewer images than features they come from the images' products, not from those of tens of thousands of
    /// features.</remarks>
    internal static Tensor PrincipalAxes(Tensor standardised)
    {
        using DisposeScope scope = NewDisposeScope();
        bool areFew = standardised.shape[0] < standardised.shape[1];
        Tensor transposed = standardised.t();
        (Tensor squares, Tensor vectors) = linalg.eigh(
            areFew ? standardised.matmul(transposed) : transposed.matmul(standardised));     // ascending
        double[] ascending = squares.data<double>().ToArray();
        if (ascending[^1] <= 0)     // no two images differ, and any direction will do
            return eye(standardised.shape[1], 1, dtype: float64, device: CPU).MoveToOuterDisposeScope();
        int without = Array.FindIndex(ascending, square => square >= ascending[^1] * NoVariance);
        long directions = ascending.Length - without;
        Tensor kept = vectors.narrow(1, without, directions);
        return (areFew ? transposed.matmul(kept).div(squares.narrow(0, without, directions).sqrt()) : kept).MoveToOuterDisposeScope();
    }

    private static double[] RotatedBack(double[] weights, Tensor axes)
    {
        using DisposeScope scope = NewDisposeScope();
        long directions = axes.shape[1];
        Tensor matrix = tensor(weights, [weights.Length / (directions + 1), directions + 1], device: CPU);
        return cat([matrix.narrow(1, 0, directions).matmul(axes.t()), matrix.narrow(1, directions, 1)], 1).data<double>().ToArray();
    }

    /// <summary>From weights for (x − mean) / scale to weights for x.</summary>
    private static void Unstandardise(double[] weights, double[] mean, double[] scale)
    {
        int columns = mean.Length + 1;
        for (int start = 0; start < weights.Length; start += columns)
        {
            for (int i = 0; i < mean.Length; i++)
            {
                weights[start + i] /= scale[i];
                weights[start + mean.Length] -= weights[start + i] * mean[i];
            }
        }
    }
}
