using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// Times two ways of doing the same thing in one process, in turns, so that both meet the same machine: what else it does then shows as
/// spread and not as a difference.
/// </summary>
internal sealed class SideBySide
{
    private SideBySide(double[] ours, double[] theirs)
    {
        OursMilliseconds = Sample(ours);
        TheirsMilliseconds = Sample(theirs);
        Ratio = Sample([.. ours.Zip(theirs, (our, their) => our / their)]);
    }

    /// <summary>10th percentile, median and 90th percentile of the times.</summary>
    public (double P10, double Median, double P90) OursMilliseconds { get; }

    /// <summary>10th percentile, median and 90th percentile of the times.</summary>
    public (double P10, double Median, double P90) TheirsMilliseconds { get; }

    /// <summary>Of the ratios ours / theirs of neighbouring runs; below 1 ours is faster.</summary>
    public (double P10, double Median, double P90) Ratio { get; }

    // .NET compiles a method anew, and better, once it has been called some dozens of times and a moment has passed.
    private static readonly TimeSpan _warmUp = TimeSpan.FromSeconds(1);

    /// <summary>Runs both to warm up, for a second or longer, then in turns; each goes first every second time.</summary>
    /// <param name="ours">The one whose time is above the line of the ratio.</param>
    /// <param name="theirs">The peer.</param>
    /// <param name="rounds">How often each is timed.</param>
    public static SideBySide Run(Action ours, Action theirs, int rounds = 15)
    {
        double[] ourTimes = new double[rounds];
        double[] theirTimes = new double[rounds];
        WarmUp(ours, theirs);
        for (int round = 0; round < rounds; round++)
        {
            bool oursFirst = round % 2 == 0;
            double first = Time(oursFirst ? ours : theirs);
            double second = Time(oursFirst ? theirs : ours);
            (ourTimes[round], theirTimes[round]) = oursFirst ? (first, second) : (second, first);
        }

        return new SideBySide(ourTimes, theirTimes);
    }

    private static void WarmUp(Action ours, Action theirs)
    {
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < 3 || Stopwatch.GetElapsedTime(start) < _warmUp; round++)
        {
            ours();
            theirs();
        }
    }

    private static double Time(Action action)
    {
        GC.Collect();       // neither pays for the other's garbage
        GC.WaitForPendingFinalizers();
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static (double P10, double Median, double P90) Sample(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (At(0.1), At(0.5), At(0.9));

        double At(double probability) => sorted[(int)Math.Round(probability * (sorted.Length - 1))];
    }
}
