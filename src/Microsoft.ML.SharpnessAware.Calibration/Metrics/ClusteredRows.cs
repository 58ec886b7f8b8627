namespace Microsoft.ML.SharpnessAware;

/// <summary>The rows of a model that belong to clusters, for intervals that draw these.</summary>
internal sealed class ClusteredRows
{
    private readonly double[] _gaps;
    private readonly int[] _equalWidth;
    private readonly int[] _equalMass;
    private readonly int _numberOfBins;

    /// <param name="measured">The rows.</param>
    /// <param name="clusters">What they belong to.</param>
    /// <param name="equalMass">The bins of equally many rows; as many as those of equal width.</param>
    public ClusteredRows(MeasuredOutcomes measured, List<int> clusters, ReliabilityDiagram equalMass)
    {
        Measured = measured;
        _numberOfBins = equalMass.Bins.Count;
        Units = new ClusterUnits(clusters, _numberOfBins);
        (_gaps, _equalWidth, _equalMass) = (new double[measured.Count], new int[measured.Count], new int[measured.Count]);
        ConfidenceBins bins = new(_numberOfBins);
        (int Bin, double UpperBound)[] occupied =
            [.. equalMass.Bins.Select((bin, i) => (Bin: i, Of: bin)).Where(bin => bin.Of.Count > 0)
                .Select(bin => (bin.Bin, bin.Of.UpperBound))];
        double[] bounds = [.. occupied.Select(bin => bin.UpperBound)];      // confidences of rows, so that they are found exactly
        for (int row = 0; row < _gaps.Length; row++)
        {
            (float confidence, bool correct, _, _) = measured.Row(row);
            _gaps[row] = confidence - (correct ? 1.0 : 0);
            _equalWidth[row] = bins.IndexOf(confidence);
            int place = Array.BinarySearch(bounds, confidence);
            _equalMass[row] = occupied[place >= 0 ? place : ~place].Bin;
        }
    }

    public MeasuredOutcomes Measured { get; }

    public ClusterUnits Units { get; }

    public ClusterGaps EqualWidthGaps() => new(Units, _equalWidth, _gaps, _numberOfBins);

    public ClusterGaps EqualMassGaps() => new(Units, _equalMass, _gaps, _numberOfBins);
}
