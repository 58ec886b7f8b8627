namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Rows of probabilities with their labels: all while they are few, then every second, every fourth and so on, evenly spread over those
/// that came, in bounded memory.
/// </summary>
internal sealed class RowSample(int numberOfClasses, int mostNumbers)
{
    private const int Folds = 5;

    private readonly int _mostRows = Math.Max(2 * Folds, mostNumbers / numberOfClasses);
    private readonly List<int> _labels = [];
    private float[] _probabilities = new float[16 * numberOfClasses];
    private long _came;
    private int _stride = 1;

    public int Count => _labels.Count;

    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        if (_came++ % _stride != 0)
            return;
        if (Count == _mostRows)
        {
            Thin();
            if ((_came - 1) % _stride != 0)
                return;
        }

        int start = Count * numberOfClasses;
        if (start + numberOfClasses > _probabilities.Length)
            Array.Resize(ref _probabilities, Math.Min(2 * _probabilities.Length, _mostRows * numberOfClasses));
        probabilities.CopyTo(_probabilities.AsSpan(start));
        _labels.Add(label);
    }

    /// <summary>By how much the cross-fitted temperature lowers the log loss, and the temperature of all rows.</summary>
    public (double Gain, double Temperature) CrossFittedTemperature()
    {
        float[] logarithms = new float[Count * numberOfClasses];
        double[] row = new double[numberOfClasses];
        for (int start = 0; start < logarithms.Length; start += numberOfClasses)
        {
            LogProbabilities.Read(_probabilities.AsSpan(start, numberOfClasses), LogProbabilities.Floor(numberOfClasses), row);
            for (int k = 0; k < numberOfClasses; k++)
                logarithms[start + k] = (float)row[k];
        }

        int[] labels = [.. _labels];
        var loss = new TemperatureLoss(logarithms, labels, numberOfClasses);
        double beta = TemperatureScaling.Minimize(loss, priorWeight: 0, start: 1);
        if (Count < 2)
            return (0, 1 / beta);
        bool[] included = new bool[Count];
        CompensatedSum gain = default;
        for (int fold = 0; fold < Math.Min(Folds, Count); fold++)
        {
            for (int i = 0; i < included.Length; i++)
                included[i] = i % Folds != fold;
            double ofOthers = TemperatureScaling.Minimize(loss, priorWeight: 0, beta, included);
            for (int i = fold; i < included.Length; i += Folds)
                gain.Add(loss.LogLossOf(i, 1) - loss.LogLossOf(i, ofOthers));
        }

        return (gain.Value / Count, 1 / beta);
    }

    private void Thin()
    {
        _stride *= 2;
        int kept = 0;
        for (int row = 0; row < Count; row += 2, kept++)
        {
            _labels[kept] = _labels[row];
            _probabilities.AsSpan(row * numberOfClasses, numberOfClasses).CopyTo(_probabilities.AsSpan(kept * numberOfClasses));
        }

        _labels.RemoveRange(kept, Count - kept);
    }
}
