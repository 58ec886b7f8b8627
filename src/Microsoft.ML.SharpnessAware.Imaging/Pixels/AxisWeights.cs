namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which source pixels make a target pixel along one axis, and how much of each. Shrinking averages the area that a target pixel covers, so
/// that no detail aliases however strong the reduction; enlarging interpolates linearly between pixel centres.
/// </summary>
internal sealed class AxisWeights
{
    private readonly int[] _starts;
    private readonly float[] _weights;
    private readonly int _taps;

    /// <summary>All of the source pixels, or those from <paramref name="from"/> on in a length that need not be whole.</summary>
    public AxisWeights(int source, int target, double from = 0, double? length = null)
    {
        (Source, Target, From, Length) = (source, target, from, length ?? source);
        double scale = Length / target;
        _taps = scale >= 1 ? (int)Math.Min(source, Math.Ceiling(scale) + 1) : Math.Min(source, 2);
        _starts = new int[target];
        _weights = new float[target * _taps];
        for (int i = 0; i < target; i++)
        {
            Span<float> weights = _weights.AsSpan(i * _taps, _taps);
            _starts[i] = scale >= 1
                ? Average(from + (i * scale), from + ((i + 1) * scale), weights)
                : Interpolate(from + ((i + 0.5) * scale) - 0.5, weights);
        }
    }

    public int Source { get; }

    public int Target { get; }

    public double From { get; }

    public double Length { get; }

    /// <summary>The first source pixel that has a weight, and the one after the last.</summary>
    public (int First, int Last) Used => (_starts[0], _starts[^1] + _taps);

    /// <summary>The weights of target pixel <paramref name="i"/>, which add up to 1, and the first source pixel they are for.</summary>
    public ReadOnlySpan<float> Of(int i, out int start)
    {
        start = _starts[i];
        return _weights.AsSpan(i * _taps, _taps);
    }

    private int Average(double from, double to, Span<float> weights)
    {
        int start = Math.Min((int)from, Source - weights.Length);
        for (int k = 0; k < weights.Length; k++)
        {
            double overlap = Math.Min(to, start + k + 1) - Math.Max(from, start + k);
            weights[k] = (float)(Math.Max(0, overlap) / (to - from));
        }

        return start;
    }

    private int Interpolate(double centre, Span<float> weights)
    {
        if (weights.Length == 1)
        {
            weights[0] = 1;
            return 0;
        }

        centre = Math.Clamp(centre, 0, Source - 1);
        int start = Math.Min((int)centre, Source - 2);
        weights[1] = (float)(centre - start);
        weights[0] = 1 - weights[1];
        return start;
    }
}
