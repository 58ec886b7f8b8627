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
        OursMilliseconds = Sample.Of(ours);
        TheirsMilliseconds = Sample.Of(theirs);
        Ratio = Sample.Of(ours.Zip(theirs, (our, their) => our / their));
    }

    public Sample OursMilliseconds { get; }

    public Sample TheirsMilliseconds { get; }

    /// <summary>The ratios ours / theirs of neighbouring runs; below 1 ours is faster.</summary>
    public Sample Ratio { get; }

    // .NET compiles a method anew, and better, once it has been called some dozens of times and a moment has passed.
    private static readonly TimeSpan WarmUpTime = TimeSpan.FromSeconds(1);

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

    /// <summary>The median time of one action, after two runs to warm up.</summary>
    public static double MedianMilliseconds(Action action, int count)
    {
        action();
        action();
        return Sample.Of([.. Enumerable.Range(0, count).Select(_ => Time(action))]).Median;
    }

    /// <summary>The median time of one action, however long it takes: run for a third of the time to warm up, once at least, then for the
    /// rest, three times at least.</summary>
    public static double MedianMilliseconds(Action action, TimeSpan time)
    {
        long start = Stopwatch.GetTimestamp();
        do
            action();
        while (Stopwatch.GetElapsedTime(start) < time / 3);
        List<double> times = [];
        while (times.Count < 3 || Stopwatch.GetElapsedTime(start) < time)
            times.Add(Time(action));
        return Sample.Of(times).Median;
    }

    private static void WarmUp(Action ours, Action theirs)
    {
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < 3 || Stopwatch.GetElapsedTime(start) < WarmUpTime; round++)
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
}
