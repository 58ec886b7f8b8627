namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Rows of probabilities with their labels: all while they are few, then every second, every fourth and so on, evenly spread over those
/// that came, in bounded memory.
/// </summary>
internal sealed class RowSample(int numberOfClasses, int mostNumbers)
{
    private const int Folds = 5;

    // Small blocks: one that grows would be copied, and large arrays come from memory that nobody has touched yet.
    private const int BlockNumbers = 1 << 14;

    private readonly int _mostRows = Math.Max(2 * Folds, mostNumbers / numberOfClasses) & ~1;       // even
    private readonly int _blockRows = Math.Max(1, BlockNumbers / numberOfClasses);
    private readonly List<(float[] Probabilities, int[] Labels)> _blocks = [];
    private int _untilNext;         // rows to pass over
    private int _stride = 1;

    public int Count { get; private set; }

    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        if (_untilNext > 0)
        {
            _untilNext--;
            return;
        }

        if (Count == _mostRows)
            Thin();
        if (Count == _blocks.Count * _blockRows)
        {
            // The first block of few rows is as large as need be: metrics may be of a hundred rows each.
            int rows = _blocks.Count == 0 ? Math.Min(_blockRows, _mostRows) : _blockRows;
            _blocks.Add((GC.AllocateUninitializedArray<float>(rows * numberOfClasses), GC.AllocateUninitializedArray<int>(rows)));
        }

        probabilities.CopyTo(Row(Count));
        Label(Count) = label;
        Count++;
        _untilNext = _stride - 1;
    }

    /// <summary>By how much the cross-fitted temperature lowers the log loss, and the temperature of all rows.</summary>
    public (double Gain, double Temperature) CrossFittedTemperature()
    {
        float[] logarithms = new float[Count * numberOfClasses];
        int[] labels = new int[Count];
        double[] ofRow = new double[numberOfClasses];
        double floor = LogProbabilities.Floor(numberOfClasses);
        for (int row = 0; row < Count; row++)
        {
            labels[row] = Label(row);
            LogProbabilities.Read(Row(row), floor, ofRow);
            for (int k = 0; k < numberOfClasses; k++)
                logarithms[row * numberOfClasses + k] = (float)ofRow[k];
        }

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

    private Span<float> Row(int row) =>
        _blocks[row / _blockRows].Probabilities.AsSpan(row % _blockRows * numberOfClasses, numberOfClasses);

    private ref int Label(int row) => ref _blocks[row / _blockRows].Labels[row % _blockRows];

    /// <summary>Keeps every second row. Their number is even, so the one that is to come is as far behind the last of them as these are
    /// from each other.</summary>
    private void Thin()
    {
        _stride *= 2;
        int kept = 0;
        for (int row = 0; row < Count; row += 2, kept++)
        {
            Row(row).CopyTo(Row(kept));
            Label(kept) = Label(row);
        }

        Count = kept;
    }
}
