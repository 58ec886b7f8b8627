using System.Runtime.CompilerServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>For each class k, all rows in bins of p_k: number of rows, Σ p_k, and number of rows of class k.</summary>
internal sealed class ClassBins(int numberOfClasses, ConfidenceBins bins)
{
    // Plain sums: the terms are float32 and at most 1. One struct, so that a row touches one cache line for each class.
    private readonly (double Sum, long Count)[] _cells = new (double, long)[numberOfClasses * bins.Count];
    private readonly long[] _positives = new long[numberOfClasses * bins.Count];

    public int NumberOfClasses => numberOfClasses;

    // The innermost loop: within a larger method the compiler has too few registers for it, and an evaluation takes half as long again.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        (double Sum, long Count)[] cells = _cells;
        ConfidenceBins ofOne = bins;
        int first = 0;
        foreach (float probability in probabilities)
        {
            ref (double Sum, long Count) cell = ref cells[first + ofOne.IndexOf(probability)];
            cell.Sum += probability;
            cell.Count++;
            first += ofOne.Count;
        }

        _positives[label * bins.Count + bins.IndexOf(probabilities[label])]++;
    }

    /// <summary>The mean over classes of their expected calibration errors.</summary>
    public double ClasswiseCalibrationError(long rows)
    {
        double error = 0;
        for (int cell = 0; cell < _cells.Length; cell++)
            error += Math.Abs(_cells[cell].Sum - _positives[cell]);
        return error / rows / numberOfClasses;
    }

    /// <summary>What is known of one class.</summary>
    public ClassCalibration Class(int index, string name)
    {
        ReliabilityDiagram diagram = new([.. Enumerable.Range(0, bins.Count).Select(Bin)], DiagramKind.OneClass);
        long count = _positives.AsSpan(index * bins.Count, bins.Count).ToArray().Sum();
        return new ClassCalibration(name, index, count, count / (double)diagram.Count, diagram.MeanConfidence,
            diagram.ExpectedCalibrationError, diagram);

        ReliabilityBin Bin(int bin)
        {
            (double sum, long count) = _cells[index * bins.Count + bin];
            return ReliabilityBin.Create(
                bins.LowerBound(bin), bins.UpperBound(bin), count, sum, _positives[index * bins.Count + bin]);
        }
    }
}
