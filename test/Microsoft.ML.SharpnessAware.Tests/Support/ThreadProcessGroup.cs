using System.Numerics;
using System.Runtime.ExceptionServices;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A group whose "processes" are threads of this one: what is said of a group can be tried without an MPI.</summary>
internal sealed class ThreadProcessGroup : ProcessGroup
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Hub _hub;

    private ThreadProcessGroup(Hub hub, int rank) => (_hub, Rank) = (hub, rank);

    public override int Rank { get; }

    public override int Size => _hub.Values.Length;

    public override int LocalSize => Size;

    public override int ThreadsPerProcess => Math.Max(1, Environment.ProcessorCount / Size);

    /// <summary>Runs something in a thread for each member, and throws what the lowest rank threw.</summary>
    public static T[] Run<T>(int size, Func<ProcessGroup, T> work, TimeSpan? timeout = null)
    {
        using var hub = new Hub(size, timeout ?? Patience);
        var results = new T[size];
        var errors = new Exception?[size];
        Thread[] threads = [.. Enumerable.Range(0, size).Select(rank => new Thread(() =>
        {
            try
            {
                using var group = new ThreadProcessGroup(hub, rank);
                results[rank] = work(group);
            }
            catch (Exception e)
            {
                errors[rank] = e;
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        if (Array.Find(errors, error => error is not null) is { } first)
            ExceptionDispatchInfo.Throw(first);
        return results;
    }

    public override void Abort(int exitCode = 1) => Environment.Exit(exitCode);

    private protected override void SumWhenAllHaveCome(Span<double> numbers, bool withoutLimit) => SumOf<double>(numbers);

    private protected override void Sum(Span<float> values) => SumOf<float>(values);

    private protected override void Sum(Span<double> values) => SumOf<double>(values);

    private protected override void Spread(Span<byte> values, int root)
    {
        Give(values);
        ((byte[])_hub.Values[root]).CopyTo(values);
        Wait();
    }

    private protected override void Release()
    {
    }

    private void SumOf<T>(Span<T> values)
        where T : INumber<T>
    {
        Give(values);
        values.Clear();
        foreach (T[] others in _hub.Values.Cast<T[]>())
        {
            for (int i = 0; i < values.Length; i++)
                values[i] += others[i];
        }
        Wait();
    }

    private void Give<T>(ReadOnlySpan<T> values)
    {
        _hub.Values[Rank] = values.ToArray();
        Wait();
    }

    private void Wait()
    {
        if (!_hub.Barrier.SignalAndWait(_hub.Timeout))
            throw Lost("not all of the others have come.");
    }

    private sealed class Hub(int size, TimeSpan timeout) : IDisposable
    {
        public Array[] Values { get; } = new Array[size];

        public Barrier Barrier { get; } = new(size);

        public TimeSpan Timeout => timeout;

        public void Dispose() => Barrier.Dispose();
    }
}
