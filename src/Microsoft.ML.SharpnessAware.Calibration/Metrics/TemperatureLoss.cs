using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The log loss of rows as a function of β = 1/T: −ln softmax(β z)_y, where z are log-probabilities that count as no less than
/// <see cref="LogProbabilities.Floor"/> or another floor. Convex in β.
/// </summary>
internal readonly ref struct TemperatureLoss
{
    private readonly ReadOnlySpan<float> _logits;
    private readonly ReadOnlySpan<int> _labels;
    private readonly int _classes;
    private readonly double[] _lowest;
    private readonly double[] _z;
    private readonly double[] _weights;

    /// <exception cref="ArgumentException">There are no rows, the lengths do not match, a label is out of range, or a logit is NaN or
    /// +∞.</exception>
    public TemperatureLoss(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int numberOfClasses, double? floor = null)
    {
        LabelledRows.Check(logits.Length, labels, numberOfClasses, nameof(logits));
        _logits = logits;
        _labels = labels;
        _classes = numberOfClasses;
        (_lowest, _z, _weights) = (new double[labels.Length], new double[numberOfClasses], new double[numberOfClasses]);
        HighestTemperature = floor < LogProbabilities.Floor(numberOfClasses) ? TemperatureScaling.MaximumTemperatureOfLogits
            : TemperatureScaling.MaximumTemperature;
        double least = Math.Log(floor ?? LogProbabilities.Floor(numberOfClasses));
        for (int row = 0; row < labels.Length; row++)
        {
            if (!float.IsFinite(TensorPrimitives.Max(logits.Slice(row * numberOfClasses, numberOfClasses))))
                throw new ArgumentException($"Row {row} (counted from 0) holds NaN or +∞, or nothing but −∞.", nameof(logits));
            _lowest[row] = double.NegativeInfinity;
            Read(row);
            TensorPrimitives.Exp(_z, _weights);
            _lowest[row] = least + Math.Log(TensorPrimitives.Sum<double>(_weights));
        }
    }

    /// <summary>Up to where the temperature is searched for.</summary>
    public double HighestTemperature { get; }

    public int Count => _labels.Length;

    public int NumberOfClasses => _classes;

    /// <summary>The mean loss.</summary>
    public double LogLoss(double beta)
    {
        CompensatedSum loss = default;
        for (int row = 0; row < Count; row++)
            loss.Add(LogLossOf(row, beta));
        return loss.Value / Count;
    }

    /// <summary>The loss of one row.</summary>
    public double LogLossOf(int row, double beta)
    {
        Read(row);
        TensorPrimitives.Multiply(_z, beta, _z);
        double label = _z[_labels[row]];
        TensorPrimitives.Exp(_z, _z);
        return Math.Log(TensorPrimitives.Sum<double>(_z)) - label;
    }

    /// <summary>Of the loss summed over the included rows: its slope, the sum of E_p[z] − z_y, and its curvature, that of
    /// Var_p[z].</summary>
    public (double First, double Second) Derivatives(double beta, ReadOnlySpan<bool> included)
    {
        CompensatedSum first = default;
        CompensatedSum second = default;
        for (int row = 0; row < Count; row++)
        {
            if (included.Length > 0 && !included[row])
                continue;
            Read(row);
            TensorPrimitives.Multiply(_z, beta, _weights);
            TensorPrimitives.Exp(_weights, _weights);
            double sum = TensorPrimitives.Sum<double>(_weights);
            double mean = TensorPrimitives.Dot<double>(_weights, _z) / sum;
            first.Add(mean - _z[_labels[row]]);

            TensorPrimitives.Add(_z, -mean, _z);
            TensorPrimitives.Multiply(_z, _z, _z);
            second.Add(TensorPrimitives.Dot<double>(_weights, _z) / sum);
        }

        return (first.Value, second.Value);
    }

    /// <summary>One row in double, shifted so that its largest value is 0.</summary>
    private void Read(int row)
    {
        TensorPrimitives.ConvertTruncating(_logits.Slice(row * _classes, _classes), _z);
        TensorPrimitives.Subtract(_z, TensorPrimitives.Max<double>(_z), _z);
        TensorPrimitives.Max(_z, _lowest[row], _z);
    }
}
