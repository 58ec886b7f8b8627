using System.Numerics.Tensors;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The rows that a calibrator is fitted on: class probabilities or logits, row-major [rows × classes], and the true class of
/// each row.</summary>
internal sealed class CalibrationRows(float[] scores, int[] labels, int numberOfClasses, ScoreKind kind = ScoreKind.Probabilities)
{
    // The search for the floor of logits ends where the temperature changes by less.
    private const double RelativeTolerance = 0.01;
    private const int MaximumRounds = 20;

    private double? _floor;

    public float[] Scores { get; } = scores;

    public int[] Labels { get; } = labels;

    public int NumberOfClasses { get; } = numberOfClasses;

    /// <summary>What the scores are.</summary>
    public ScoreKind Kind { get; } = kind;

    /// <summary>The least that a probability counts in the fit, and then where what is fitted is applied.</summary>
    public double Floor => _floor ??= Kind == ScoreKind.Logits ? FloorOfLogits() : LogProbabilities.Floor(NumberOfClasses);

    public int Count => Labels.Length;

    /// <summary>What each row belongs to, as numbers from 0 on, some of which may have no row; null where rows are independent.</summary>
    public int[]? Groups { get; init; }

    /// <summary>How many rows were left out, since their label is missing or unknown.</summary>
    public long WithoutLabel { get; init; }

    /// <summary>
    /// 1 / (rows + 1): the weight of the probabilities as they came where they count as one row more. It keeps every fit finite and away
    /// from 0 and 1, as Platt's target smoothing does for two classes, and fades as rows are added.
    /// </summary>
    public double WeightOfOneRow => 1.0 / (Count + 1);

    /// <summary>Reads all rows, in one pass. Those without a label are left out, with a warning; that may be all.</summary>
    /// <exception cref="InvalidOperationException">Scores are not what they should be.</exception>
    public static CalibrationRows Read(IDataView data, LabelledScores columns, ScoreKind scoreKind, IHost host, IChannel channel,
        CodedColumn? groups = null)
    {
        List<float> scores = [];
        List<int> labels = [], groupOf = [];
        (_, long withoutLabel) = LabelledProbabilities.Read(data, columns, scoreKind, host, channel, (row, label, group) =>
        {
            if (scores.Count > Array.MaxLength - row.Length)
                throw TooMany(row.Length);
            scores.AddRange(row);
            labels.Add(label);
            if (groups is not null)
                groupOf.Add(group);
        }, groups, keepsLogits: true);
        return new CalibrationRows([.. scores], [.. labels], columns.NumberOfClasses, scoreKind)
        {
            Groups = groups is null ? null : [.. groupOf],
            WithoutLabel = withoutLabel,
        };
    }

    /// <summary>The rows of all of them. Where all have groups, no two have rows of one.</summary>
    /// <exception cref="InvalidOperationException">They are more than an array can hold.</exception>
    public static CalibrationRows Concat(IReadOnlyList<CalibrationRows> parts, int numberOfClasses)
    {
        if (parts.Sum(part => (long)part.Scores.Length) > Array.MaxLength)
            throw TooMany(numberOfClasses);
        float[] scores = new float[parts.Sum(part => part.Scores.Length)];
        List<int> groups = [];
        int next = 0, firstGroup = 0;
        foreach (CalibrationRows part in parts.Where(part => part.Count > 0))
        {
            part.Scores.CopyTo(scores, next);
            next += part.Scores.Length;
            if (part.Groups is null)
                continue;
            groups.AddRange(part.Groups.Select(group => firstGroup + group));
            firstGroup += part.Groups.Max() + 1;
        }

        return new(scores, [.. parts.SelectMany(part => part.Labels)], numberOfClasses, parts[0].Kind)
        {
            Groups = groups.Count > 0 && parts.Sum(part => part.Count) == groups.Count ? [.. groups] : null,
            WithoutLabel = parts.Sum(part => part.WithoutLabel),
        };
    }

    private static InvalidOperationException TooMany(int scores) => new(
        $"The data has more than the {Array.MaxLength / scores} rows of {scores} scores that a calibrator can be fitted on. " +
        "Take fewer, for example with mlContext.Data.TakeRows; some ten thousand are plenty.");

    /// <summary>The same rows where class k is class <c>places[k]</c> of more or equally many; classes that are none of these get
    /// a probability of 0.</summary>
    public CalibrationRows Moved(int[] places, int classes)
    {
        float[] moved = new float[Count * classes];
        Array.Fill(moved, Kind == ScoreKind.Logits ? float.NegativeInfinity : 0);
        for (int row = 0; row < Count; row++)
        {
            for (int k = 0; k < NumberOfClasses; k++)
                moved[row * classes + places[k]] = Scores[row * NumberOfClasses + k];
        }

        return new CalibrationRows(moved, Array.ConvertAll(Labels, label => places[label]), classes, Kind) { Groups = Groups };
    }

    /// <summary>Some of the rows.</summary>
    public CalibrationRows Where(Func<int, bool> isIncluded)
    {
        int[] rows = [.. Enumerable.Range(0, Count).Where(isIncluded)];
        float[] scores = new float[rows.Length * NumberOfClasses];
        for (int i = 0; i < rows.Length; i++)
            Row(rows[i]).CopyTo(scores.AsSpan(i * NumberOfClasses));
        return new CalibrationRows(scores, Array.ConvertAll(rows, row => Labels[row]), NumberOfClasses, Kind)
        {
            _floor = Floor,
            Groups = Groups is null ? null : Array.ConvertAll(rows, row => Groups[row]),
        };
    }

    public ReadOnlySpan<float> Row(int row) => Scores.AsSpan(row * NumberOfClasses, NumberOfClasses);

    /// <summary>The same rows as probabilities.</summary>
    public CalibrationRows AsProbabilities()
    {
        if (Kind == ScoreKind.Probabilities)
            return this;
        float[] probabilities = new float[Scores.Length];
        for (int row = 0; row < Count; row++)
            ScoreRow.Probabilities(Row(row), Kind, probabilities.AsSpan(row * NumberOfClasses, NumberOfClasses));
        return new CalibrationRows(probabilities, Labels, NumberOfClasses) { Groups = Groups, WithoutLabel = WithoutLabel };
    }

    /// <summary>ln p of every score, as <see cref="LogProbabilities"/> reads it.</summary>
    public float[] Logarithms() => Logarithms(Floor);

    private float[] Logarithms(double floor)
    {
        float[] logarithms = new float[Scores.Length];
        if (Kind == ScoreKind.Logits)
        {
            double[] ofRow = new double[NumberOfClasses];
            for (int row = 0; row < Count; row++)
            {
                LogProbabilities.OfLogits(Row(row), floor, ofRow);
                TensorPrimitives.ConvertTruncating<double, float>(ofRow, logarithms.AsSpan(row * NumberOfClasses, NumberOfClasses));
            }

            return logarithms;
        }

        TensorPrimitives.Max(Scores, (float)floor, logarithms);
        TensorPrimitives.Log<float>(logarithms, logarithms);
        return logarithms;
    }

    /// <summary>That of the temperature that the rows ask for with this floor.</summary>
    private double FloorOfLogits()
    {
        double temperature = 1, floor = LogProbabilities.FloorOfLogits(NumberOfClasses, temperature);
        for (int round = 0; round < MaximumRounds; round++)
        {
            double before = temperature;
            var loss = new TemperatureLoss(Logarithms(floor), Labels, NumberOfClasses, floor);
            temperature = Math.Max(1, 1 / TemperatureScaling.Minimize(loss, TemperaturePrior.Default.Weight, start: 1));
            floor = LogProbabilities.FloorOfLogits(NumberOfClasses, temperature);
            if (Math.Abs(temperature - before) <= RelativeTolerance * before)
                break;
        }

        return floor;
    }

    /// <summary>The temperature that these rows ask for; 1 where they show no need of one.</summary>
    public double FitTemperature() =>
        TemperatureScaling.FitWithPrior(Logarithms(), Labels, NumberOfClasses, groups: Groups, floor: Floor);

    /// <summary>The probability of the labelled class in each row, after the calibrator if there is one.</summary>
    /// <param name="calibrator">What is applied to the rows.</param>
    /// <param name="floor">The least that a score counts before it.</param>
    public float[] OfLabels(MulticlassCalibrator? calibrator = null, double floor = double.NegativeInfinity)
    {
        float[] calibrated = new float[NumberOfClasses];
        float[] ofLabels = new float[Count];
        for (int row = 0; row < Count; row++)
        {
            TensorPrimitives.Max(Row(row), (float)floor, calibrated);
            if (calibrator is null)
                ScoreRow.Probabilities(calibrated, Kind, calibrated);
            else
                calibrator.Apply(calibrated, Kind, calibrated);
            ofLabels[row] = calibrated[Labels[row]];
        }

        return ofLabels;
    }

    /// <summary>The mean log loss after a calibrator, as <see cref="ClassifierCalibrationMetrics.LogLoss"/> defines it.</summary>
    public double LogLoss(MulticlassCalibrator calibrator) => LogLoss(OfLabels(calibrator));

    /// <summary>The mean log loss after a calibrator, or of the rows as they are, as every fit counts it: it reads no probability as less
    /// than <see cref="LogProbabilities.Floor"/>, and logits as they are. At most that of the metrics.</summary>
    public double LogLossAsFitted(MulticlassCalibrator? calibrator = null) =>
        LogLoss(OfLabels(calibrator, Kind == ScoreKind.Logits ? double.NegativeInfinity : Floor));

    private static double LogLoss(float[] ofLabels)
    {
        CompensatedSum loss = default;
        foreach (float probability in ofLabels)
            loss.Add(-Math.Log(Math.Clamp(probability, CalibrationAccumulator.SmallestProbability, 1)));
        return loss.Value / ofLabels.Length;
    }
}
