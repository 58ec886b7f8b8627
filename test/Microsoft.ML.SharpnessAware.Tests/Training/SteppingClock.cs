namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A clock that moves on when it is told to, and by a step each time it is looked at.</summary>
internal sealed class SteppingClock(TimeSpan step) : TimeProvider
{
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Advance(double seconds) => _now += TimeSpan.FromSeconds(seconds).Ticks;

    public override long GetTimestamp() => _now += step.Ticks;
}
