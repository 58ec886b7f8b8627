using CsCheck;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Class probabilities [rows × classes] with a label each, and views of them.</summary>
internal sealed record ScoredRows(float[] Scores, int[] Labels, int Classes)
{
    /// <summary>Random rows, in some of which probabilities are 0 and 1, equal, or all right.</summary>
    public static Gen<ScoredRows> Random { get; } =
        from classes in Gen.Int[2, 5]
        from rows in Gen.Int[1, 30]
        from weights in Gen.OneOf(Gen.Int[0, 4].Select(weight => (float)weight), Gen.Float[0, 1], Gen.Float[-12, 0].Select(MathF.Exp))
            .Array[classes * rows]
        from labels in Gen.Int[0, classes - 1].Array[rows]
        from right in Gen.Double[0, 1.3]
        from seed in Gen.Int[0, 1000]
        select Create(weights, labels, classes, right, seed);

    public int Count => Labels.Length;

    /// <summary>Labels drawn from softmax(W ln p + b), where p is made of random logits.</summary>
    public static ScoredRows Drawn(int rows, double[,] weights, double[] bias, int seed = 1)
    {
        int classes = bias.Length;
        var random = new Random(seed);
        float[] scores = new float[rows * classes];
        int[] labels = new int[rows];
        for (int row = 0; row < rows; row++)
        {
            double[] p = Softmax([.. Enumerable.Range(0, classes).Select(_ => 6 * random.NextDouble())]);
            double[] truth = Softmax([.. Enumerable.Range(0, classes).Select(i =>
                bias[i] + Enumerable.Range(0, classes).Sum(j => weights[i, j] * Math.Log(p[j])))]);
            double left = random.NextDouble();
            while (labels[row] < classes - 1 && (left -= truth[labels[row]]) > 0)
                labels[row]++;
            for (int k = 0; k < classes; k++)
                scores[row * classes + k] = (float)p[k];
        }

        return new ScoredRows(scores, labels, classes);
    }

    public static ScoredRows Of(int classes, params (int Label, float[] Scores)[] rows) =>
        new([.. rows.SelectMany(row => row.Scores)], [.. rows.Select(row => row.Label)], classes);

    /// <summary>Three classes, confused with each other in various ways.</summary>
    public static ScoredRows Confused(int rows) => Drawn(rows, new[,] { { .5, .1, 0 }, { 0, .7, -.2 }, { .1, 0, .9 } }, [.3, 0, -.3]);

    public static double[] Softmax(double[] logits)
    {
        double[] powers = [.. logits.Select(value => Math.Exp(value - logits.Max()))];
        return [.. powers.Select(power => power / powers.Sum())];
    }

    public float[] Row(int row) => Scores[(row * Classes)..((row + 1) * Classes)];

    /// <summary>The probabilities after the calibrator.</summary>
    public float[][] After(MulticlassCalibrator calibrator) => [.. Enumerable.Range(0, Count).Select(row =>
    {
        float[] calibrated = new float[Classes];
        calibrator.Calibrate(Row(row), calibrated);
        return calibrated;
    })];

    public double LogLoss(MulticlassCalibrator? calibrator = null) =>
        CalibrationMetrics.Compute(calibrator is null ? Scores : [.. After(calibrator).SelectMany(row => row)], Labels, Classes).LogLoss;

    public ScoredRows Reordered(int[] order) =>
        new([.. order.SelectMany(Row)], [.. order.Select(row => Labels[row])], Classes);

    /// <summary>Class k of the result is class <c>order[k]</c>.</summary>
    public ScoredRows WithClassesReordered(int[] order) => new(
        [.. Enumerable.Range(0, Count).SelectMany(row => order.Select(k => Row(row)[k]))],
        [.. Labels.Select(label => Array.IndexOf(order, label))], Classes);

    /// <summary>A view with a Label, a Score and, if asked, a PredictedLabel, which all name the classes "c0", "c1", … if asked.</summary>
    public IDataView View(MLContext mlContext, bool names = false, bool predictedLabel = false)
    {
        var builder = new ArrayDataViewBuilder(mlContext);
        float[][] scores = [.. Enumerable.Range(0, Count).Select(Row)];
        ReadOnlyMemory<char>[] values = [.. Enumerable.Range(0, Classes).Select(k => $"c{k}".AsMemory())];
        ValueGetter<VBuffer<ReadOnlyMemory<char>>> getNames = (ref VBuffer<ReadOnlyMemory<char>> value) => value = new(Classes, values);
        AddKey("Label", [.. Labels.Select(label => (uint)label + 1)]);
        if (names)
            builder.AddColumn("Score", getNames, NumberDataViewType.Single, scores);
        else
            builder.AddColumn("Score", NumberDataViewType.Single, scores);
        if (predictedLabel)
            AddKey("PredictedLabel", [.. scores.Select(row => (uint)Array.IndexOf(row, row.Max()) + 1)]);
        return builder.GetDataView();

        void AddKey(string name, uint[] keys)
        {
            if (names)
                builder.AddColumn(name, getNames, (ulong)Classes, keys);
            else
                builder.AddColumn(name, new KeyDataViewType(typeof(uint), Classes), keys);
        }
    }

    public CalibrationRows ForFit() => new(Scores, Labels, Classes);

    private static ScoredRows Create(float[] weights, int[] labels, int classes, double right, int seed)
    {
        var random = new Random(seed);
        for (int row = 0; row < labels.Length; row++)
        {
            Span<float> scores = weights.AsSpan(row * classes, classes);
            float sum = 0;
            foreach (float weight in scores)
                sum += weight;
            if (sum == 0)
                scores[0] = sum = 1;
            for (int k = 0; k < classes; k++)
                scores[k] /= sum;
            if (random.NextDouble() < right)
                labels[row] = scores.IndexOf(Max(scores));
        }

        return new ScoredRows(weights, labels, classes);

        static float Max(ReadOnlySpan<float> values)
        {
            float largest = values[0];
            foreach (float value in values)
                largest = Math.Max(largest, value);
            return largest;
        }
    }
}
