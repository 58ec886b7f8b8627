using System.Collections.Concurrent;

namespace Microsoft.ML.SharpnessAware.Tests.Reliability;

internal static class AtOnce
{
    /// <summary>Runs an action on threads of its own, and something else here meanwhile; throws what any of them threw.</summary>
    public static void Run(int count, Action<int> action, Action? meanwhile = null)
    {
        var exceptions = new ConcurrentQueue<Exception>();
        Thread[] threads = [.. Enumerable.Range(0, count).Select(i => new Thread(() =>
        {
            try
            {
                action(i);
            }
            catch (Exception e)
            {
                exceptions.Enqueue(e);
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        meanwhile?.Invoke();
        Array.ForEach(threads, thread => thread.Join());
        if (!exceptions.IsEmpty)
            throw new AggregateException(exceptions);
    }
}
