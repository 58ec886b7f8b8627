namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Which source pixels make a target pixel along one axis, and how much of each. Shrinking averages the area that a target pixel covers, so
/// that no detail aliases however strong the reduction; enlarging interpolates linearly between pixel centres.
/// </summary>
/// <remarks>
/// Where the source has been reduced, its pixels are averages themselves, and a target pixel ends somewhere within one. How much lies on
/// either side is then estimated from the neighbours, as the cubic through the sums up to the four nearest borders has it, which is about
/// half as wrong as taking the pixel for even.
/// </remarks>
internal sealed class AxisWeights
{
    private readonly int[] _starts;
    private readonly float[] _weights;
    private readonly int _taps;

    /// <summary>All of the source pixels, or those from <paramref name="from"/> on in a length that need not be whole.</summary>
    public AxisWeights(int source, int target, double from = 0, double? length = null, bool isReduced = false)
    {
        (Source, Target, From, Length, IsReduced) = (source, target, from, length ?? source, isReduced);
        double scale = Length / target;
        _taps = scale >= 1 ? (int)Math.Min(source, Math.Ceiling(scale) + (isReduced ? 3 : 1)) : Math.Min(source, 2);
        _starts = new int[target];
        _weights = new float[target * _taps];
        for (int i = 0; i < target; i++)
        {
            Span<float> weights = _weights.AsSpan(i * _taps, _taps);
            _starts[i] = scale >= 1
                ? isReduced ? AverageReduced(from + (i * scale), from + ((i + 1) * scale), weights)
                    : Average(from + (i * scale), from + ((i + 1) * scale), weights)
                : Interpolate(from + ((i + 0.5) * scale) - 0.5, weights);
        }
    }

    public int Source { get; }

    public int Target { get; }

    public double From { get; }

    public double Length { get; }

    public bool IsReduced { get; }

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

    private int AverageReduced(double from, double to, Span<float> weights)
    {
        int first = (int)from - 1, start = Math.Clamp(first, 0, Source - weights.Length);
        for (int k = first; k <= to + 1; k++)
        {
            // Beyond its edges the image goes on as it ends.
            int pixel = Math.Clamp(k, start, start + weights.Length - 1);
            weights[pixel - start] += (float)((ShareBefore(to - k) - ShareBefore(from - k)) / (to - from));
        }

        return start;
    }

    /// <summary>How much of a pixel counts as lying before a place, which is this far from the pixel's beginning.</summary>
    private static double ShareBefore(double x) => x switch
    {
        <= -1 => 0,
        <= 0 => (x + 2) * (x + 1) * x / 6,
        <= 1 => x - (x * (x - 1) * ((2 * x) - 1) / 6),
        < 2 => 1 + ((x - 1) * (x - 2) * (x - 3) / 6),
        _ => 1,
    };

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
