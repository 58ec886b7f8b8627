using System.Numerics;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Mean and standard deviation of the values of a channel, in one pass: sums of the differences from the first value, so that nothing
/// cancels when the mean is large beside the deviation. Exact for bytes.
/// </summary>
internal struct ChannelMoments
{
    private readonly bool _hasFirst;
    private double _first;
    private double _sum;
    private double _squares;
    private long _count;

    /// <summary>Takes the differences from a value that the other parts of the same channel take theirs from.</summary>
    public ChannelMoments(double first) => (_first, _hasFirst) = (first, true);

    public readonly double Mean => _count == 0 ? 0 : _first + (_sum / _count);

    /// <summary>The population's standard deviation; 1 where it is zero, so that it can be divided by.</summary>
    public readonly double Deviation =>
        _count > 0 && _squares - (_sum * _sum / _count) is > 0 and double squares ? Math.Sqrt(squares / _count) : 1;

    public void Add<T>(ReadOnlySpan<T> values)
        where T : unmanaged, INumber<T>
    {
        if (_count == 0 && !_hasFirst)
            _first = double.CreateTruncating(values[0]);
        (double first, double sum, double squares) = (_first, _sum, _squares);
        foreach (T value in values)
        {
            double difference = double.CreateTruncating(value) - first;
            sum += difference;
            squares += difference * difference;
        }

        (_sum, _squares) = (sum, squares);
        _count += values.Length;
    }

    /// <summary>Makes moments of parts of channels, which began with the same first values, those of the whole.</summary>
    public static void Sum(Span<ChannelMoments> channels, ProcessGroup group)
    {
        double[] sums = new double[3 * channels.Length];
        for (int i = 0; i < channels.Length; i++)
            (sums[3 * i], sums[(3 * i) + 1], sums[(3 * i) + 2]) = (channels[i]._sum, channels[i]._squares, channels[i]._count);
        group.AllReduceSum(sums);
        for (int i = 0; i < channels.Length; i++)
        {
            (channels[i]._sum, channels[i]._squares) = (sums[3 * i], sums[(3 * i) + 1]);
            channels[i]._count = (long)sums[(3 * i) + 2];
        }
    }
}
