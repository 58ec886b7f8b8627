namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Rows of probabilities with their labels: all while they are few, then about every second, every fourth and so on, drawn by their
/// places, in bounded memory. (Exactly every second would be of one class where two take turns.)
/// </summary>
internal sealed class RowSample(int numberOfClasses, int mostNumbers)
{
    private const int Folds = 5;

    // Small blocks: one that grows would be copied, and large arrays come from memory that nobody has touched yet.
    private const int BlockNumbers = 1 << 14;

    private readonly double _floor = LogProbabilities.Floor(numberOfClasses);
    private readonly int _mostRows = Math.Max(2 * Folds, mostNumbers / numberOfClasses);
    private readonly int _blockRows = Math.Max(1, BlockNumbers / numberOfClasses);
    private readonly List<(float[] Probabilities, int[] Labels, ulong[] Draws)> _blocks = [];
    private ulong _rows;
    private ulong _mask;        // a row is kept whose draw has none of these bits
    private double _belowFloor;

    public int Count { get; private set; }

    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        // Few rows have a loss of so much that a sample would tell their sum badly: it is taken of all rows.
        if (probabilities[label] < _floor)
            _belowFloor += Loss(probabilities[label], CalibrationAccumulator.SmallestProbability) - Loss(0, _floor);
        ulong place = _rows++, draw = SplitMix64.Next(ref place);
        if ((draw & _mask) != 0)
            return;
        while (Count == _mostRows)
            Thin();
        if ((draw & _mask) != 0)
            return;
        if (Count == _blocks.Count * _blockRows)
        {
            // The first block of few rows is as large as need be: metrics may be of a hundred rows each.
            int rows = _blocks.Count == 0 ? Math.Min(_blockRows, _mostRows) : _blockRows;
            _blocks.Add((GC.AllocateUninitializedArray<float>(rows * numberOfClasses), GC.AllocateUninitializedArray<int>(rows),
                GC.AllocateUninitializedArray<ulong>(rows)));
        }

        probabilities.CopyTo(Row(Count));
        Label(Count) = label;
        Draw(Count) = draw;
        Count++;
    }

    /// <summary>By how much the cross-fitted temperature lowers the log loss, and the temperature of all rows.</summary>
    /// <remarks>The log loss before is that of the metrics, in which a probability of 0 counts as far less than calibrators let it count.
    /// Temperatures are held to 1 as a calibrator's are: of rows that are all right the best would be 0, at which the first wrong one costs
    /// hundreds.</remarks>
    public (double Gain, double Temperature) CrossFittedTemperature()
    {
        float[] logarithms = new float[Count * numberOfClasses];
        int[] labels = new int[Count];
        double[] ofRow = new double[numberOfClasses];
        for (int row = 0; row < Count; row++)
        {
            labels[row] = Label(row);
            LogProbabilities.Read(Row(row), _floor, ofRow);
            for (int k = 0; k < numberOfClasses; k++)
                logarithms[row * numberOfClasses + k] = (float)ofRow[k];
        }

        var loss = new TemperatureLoss(logarithms, labels, numberOfClasses);
        double prior = TemperaturePrior.Default.Weight, beta = TemperatureScaling.Minimize(loss, prior, start: 1);
        if (Count < 2)
            return (_belowFloor / _rows, 1 / beta);
        int[] folds = TemperatureCrossFit.Deal(loss, Folds);
        bool[] included = new bool[Count];
        CompensatedSum gain = default;
        for (int fold = 0; fold < Math.Min(Folds, Count); fold++)
        {
            for (int i = 0; i < included.Length; i++)
                included[i] = folds[i] != fold;
            double ofOthers = TemperatureScaling.Minimize(loss, prior, beta, included);
            for (int i = 0; i < included.Length; i++)
            {
                if (included[i])
                    continue;
                float ofLabel = Row(i)[labels[i]];
                gain.Add(Loss(ofLabel, _floor) - (ofOthers == 1 ? Loss(ofLabel, CalibrationAccumulator.SmallestProbability)
                    : loss.LogLossOf(i, ofOthers)));
            }
        }

        return (_belowFloor / _rows + gain.Value / Count, 1 / beta);
    }

    private static double Loss(float probability, double floor) => -Math.Log(Math.Clamp(probability, floor, 1));

    private Span<float> Row(int row) =>
        _blocks[row / _blockRows].Probabilities.AsSpan(row % _blockRows * numberOfClasses, numberOfClasses);

    private ref int Label(int row) => ref _blocks[row / _blockRows].Labels[row % _blockRows];

    private ref ulong Draw(int row) => ref _blocks[row / _blockRows].Draws[row % _blockRows];

    /// <summary>Keeps about every second row.</summary>
    private void Thin()
    {
        _mask = (_mask << 1) | 1;
        int kept = 0;
        for (int row = 0; row < Count; row++)
        {
            if ((Draw(row) & _mask) != 0)
                continue;
            Row(row).CopyTo(Row(kept));
            (Label(kept), Draw(kept)) = (Label(row), Draw(row));
            kept++;
        }

        Count = kept;
    }
}
