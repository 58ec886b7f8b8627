namespace Microsoft.ML.SharpnessAware;

/// <summary>Rows binned by the sum of their k largest probabilities, for each k from 1 up to a largest.</summary>
internal sealed class TopKBins
{
    // Insertion into the list of the largest is fastest for a short list; a long one is sorted.
    private const int LongestInsertion = 32;

    private readonly OutcomeBins[] _bins;
    private readonly float[] _largest;

    public TopKBins(int largestK, int numberOfClasses, ConfidenceBins bins)
    {
        _bins = [.. Enumerable.Range(0, largestK).Select(_ => new OutcomeBins(bins))];
        _largest = new float[largestK <= LongestInsertion ? largestK : numberOfClasses];
    }

    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        FindLargest(probabilities);
        int rank = Rank(probabilities, label);
        double sum = 0;
        for (int k = 0; k < _bins.Length; k++)
        {
            sum += _largest[k];
            float confidence = (float)Math.Min(sum, 1);
            _bins[k].Add(confidence, rank <= k, OutcomeCell.Row(confidence));
        }
    }

    public IReadOnlyList<TopKCalibration> GetMetrics() =>
    [
        .. _bins.Select((bins, index) =>
        {
            ReliabilityDiagram diagram = new(bins.ReliabilityBins());
            return new TopKCalibration(
                index + 1, diagram.Accuracy, diagram.MeanConfidence, diagram.ExpectedCalibrationError, diagram);
        }),
    ];

    private void FindLargest(ReadOnlySpan<float> probabilities)
    {
        if (_bins.Length > LongestInsertion)
        {
            probabilities.CopyTo(_largest);
            _largest.AsSpan().Sort((a, b) => b.CompareTo(a));
            return;
        }

        Array.Fill(_largest, -1);
        foreach (float probability in probabilities)
        {
            int place = _largest.Length - 1;
            if (probability <= _largest[place])
                continue;
            for (; place > 0 && _largest[place - 1] < probability; place--)
                _largest[place] = _largest[place - 1];
            _largest[place] = probability;
        }
    }

    /// <summary>How many classes come before the label; of equal probabilities the lowest index comes first.</summary>
    private static int Rank(ReadOnlySpan<float> probabilities, int label)
    {
        float probability = probabilities[label];
        int rank = 0;
        for (int k = 0; k < probabilities.Length; k++)
            rank += probabilities[k] > probability || (probabilities[k] == probability && k < label) ? 1 : 0;
        return rank;
    }
}
