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

    /// <summary>Runs both to warm up, then in turns; each goes first every second time.</summary>
    /// <param name="ours">The one whose time is above the line of the ratio.</param>
    /// <param name="theirs">The peer.</param>
    /// <param name="rounds">How often each is timed.</param>
    /// <param name="warmUps">How often each is run before that.</param>
    public static SideBySide Run(Action ours, Action theirs, int rounds = 15, int warmUps = 3)
    {
        double[] ourTimes = new double[rounds];
        double[] theirTimes = new double[rounds];
        for (int round = -warmUps; round < rounds; round++)
        {
            bool oursFirst = round % 2 == 0;
            double first = Time(oursFirst ? ours : theirs);
            double second = Time(oursFirst ? theirs : ours);
            if (round >= 0)
                (ourTimes[round], theirTimes[round]) = oursFirst ? (first, second) : (second, first);
        }

        return new SideBySide(ourTimes, theirTimes);
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
