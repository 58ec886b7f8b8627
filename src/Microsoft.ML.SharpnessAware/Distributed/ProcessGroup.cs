using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Processes that work on one thing together, on one machine or on many: sums over all of them, and the same bytes for all. Every process
/// of a group calls the same methods in the same order, from one thread at a time.
/// </summary>
/// <remarks>
/// <para>Give one to <c>Options.ProcessGroup</c> or <c>SharpnessAwareOptimizer.ProcessGroup</c>. <see cref="Mpi"/> makes the one of
/// the processes that <c>mpirun</c>, <c>mpiexec</c> or <c>srun</c> has started.</para>
/// <para>Before each exchange the processes meet: they add up a few numbers, which tell whether all are well and want the same. So a
/// process that fails in a training, or leaves by disposing its group, ends the others with an error that names it, where they would
/// otherwise wait for ever, and so does one that calls another method than the others. A process that is killed cannot tell: its launcher
/// ends the others, or the meeting takes longer than it may.</para>
/// </remarks>
public abstract class ProcessGroup : IDisposable
{
    private const int OfFloats = 1, OfDoubles = 2, OfBytes = 3, OfNothing = 4, Kinds = 8;

    private bool _isOver;
    private bool _disposed;

    private protected ProcessGroup()
    {
    }

    /// <summary>Whether a launcher (mpirun, mpiexec, srun) has started this process as one of a group, so that <see cref="Mpi"/> gives that
    /// group.</summary>
    public static bool IsLaunchedByMpi => MpiLauncher.Current is not null;

    /// <summary>The number of this process, from 0.</summary>
    public abstract int Rank { get; }

    /// <summary>The number of processes.</summary>
    public abstract int Size { get; }

    /// <summary>The number of processes on this machine, this one included.</summary>
    public abstract int LocalSize { get; }

    /// <summary>
    /// The number of threads with which the processes use each processor of this machine once: those that this process may run on, divided
    /// by the processes that may run on the same. With more (OMP_NUM_THREADS, <c>torch.set_num_threads</c>) they are several times slower.
    /// </summary>
    public abstract int ThreadsPerProcess { get; }

    /// <summary>
    /// The processes that an MPI launcher has started, by the MPI library that is installed: Open MPI, MPICH and those of its family (Intel
    /// MPI, Microsoft MPI), or any with the standard ABI of MPI 5. Without a launcher it is a group of one.
    /// </summary>
    /// <param name="library">The library's file or name; null, the default, looks for the one that belongs to the launcher.</param>
    /// <param name="timeout">How long a process waits for the others at a meeting before it gives up, since one of them may be gone and the
    /// launcher has not noticed. Default ten minutes; <see cref="Timeout.InfiniteTimeSpan"/>, or 49 days and more, waits for
    /// ever.</param>
    /// <returns>The same group each time; MPI can be started once in the life of a process. A library and a timeout are those of the first
    /// call: later ones leave them out, or give the same.</returns>
    /// <exception cref="InvalidOperationException">There is no MPI library, it is of an unknown kind or not the launcher's (the message
    /// says what to install), the group of this process has ended: keep it as long as the program works with others; or it
    /// was started with another library or timeout.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="timeout"/> is not above 0.</exception>
    public static ProcessGroup Mpi(string? library = null, TimeSpan? timeout = null) => MpiProcessGroup.Start(library, timeout);

    /// <summary>Replaces the values of all processes by their sums: element by element, the same bits for all.</summary>
    /// <param name="values">As many for each process.</param>
    /// <exception cref="ProcessGroupException">Another process failed, left, did not come, or called another method.</exception>
    public void AllReduceSum(Span<float> values)
    {
        Meet(OfFloats + ((double)values.Length * Kinds));
        if (Size > 1)
            Sum(values);
    }

    /// <inheritdoc cref="AllReduceSum(Span{float})"/>
    public void AllReduceSum(Span<double> values)
    {
        Meet(OfDoubles + ((double)values.Length * Kinds));
        if (Size > 1)
            Sum(values);
    }

    /// <summary>Gives all processes the values of one.</summary>
    /// <param name="values">What process <paramref name="root"/> gives, and as many bytes for each of the others.</param>
    /// <param name="root">The rank of the one.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no process <paramref name="root"/>.</exception>
    /// <inheritdoc cref="AllReduceSum(Span{float})" path="/exception"/>
    public void Broadcast(Span<byte> values, int root = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(root);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(root, Size);
        Meet(OfBytes + ((((double)values.Length * Size) + root) * Kinds));
        if (Size > 1)
            Spread(values, root);
    }

    /// <summary>Waits until all processes are here.</summary>
    /// <inheritdoc cref="AllReduceSum(Span{float})" path="/exception"/>
    public void Barrier() => Meet(OfNothing);

    /// <summary>Ends all processes of the group at once, this one included, without waiting for any.</summary>
    /// <param name="exitCode">The exit code. Default 1.</param>
    public abstract void Abort(int exitCode = 1);

    /// <summary>
    /// Leaves the group. It waits, without limit, until the others do or find out: one that goes on working is told at its next meeting.
    /// </summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        try
        {
            if (!_isOver)
                Meet(OfNothing, leaves: true);
        }
        catch (ProcessGroupException)
        {
            // The connection is broken: nobody can be told any more.
        }
        _isOver = true;
        Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// The first part of every exchange: sums a few numbers, which may take as long as the slowest process needs to come.
    /// </summary>
    /// <param name="numbers">Eight at most; replaced by the sums.</param>
    /// <param name="withoutLimit">Whether to wait for ever.</param>
    /// <exception cref="ProcessGroupException">The others did not come in time.</exception>
    private protected abstract void SumWhenAllHaveCome(Span<double> numbers, bool withoutLimit);

    /// <summary>Sums values of all processes, which are there and have as many.</summary>
    /// <param name="values">Replaced by the sums, the same bits for all.</param>
    private protected abstract void Sum(Span<float> values);

    /// <inheritdoc cref="Sum(Span{float})"/>
    private protected abstract void Sum(Span<double> values);

    /// <summary>Gives all processes, which are there and have as many, the bytes of one.</summary>
    /// <param name="values">The bytes.</param>
    /// <param name="root">The rank of the one.</param>
    private protected abstract void Spread(Span<byte> values, int root);

    /// <summary>Frees what the group holds. Called once, when nobody waits for this process any more.</summary>
    private protected abstract void Release();

    /// <summary>To be called where the others did not come: nothing can be exchanged any more.</summary>
    /// <param name="reason">What happened.</param>
    /// <param name="cause">The error behind it, if there is one.</param>
    /// <returns>The error to throw.</returns>
    private protected ProcessGroupException Lost(string reason, Exception? cause = null)
    {
        _isOver = true;
        return new ProcessGroupException($"Process {Rank} of {Size}: {reason}", rank: null, cause);
    }

    /// <summary>Whether nothing can be exchanged any more: this process has left the group, or the connection is lost.</summary>
    private protected bool IsOver => _isOver;

    /// <summary>Sums three numbers, the same bits for all, by a meeting alone.</summary>
    internal (double A, double B, double C) SumOf(double a, double b = 0, double c = 0) => Meet(OfNothing, a, b, c);

    /// <summary>Tells the others, at their next meeting, that this process has failed. They throw then; the group can be used
    /// again.</summary>
    internal void Fail(Exception exception)
    {
        try
        {
            if (!_isOver)
                Meet(OfNothing, failure: $"{exception.GetType().Name}: {exception.Message}");
        }
        catch (ProcessGroupException)
        {
            // The connection is broken: nobody can be told any more.
        }
    }

    private (double A, double B, double C) Meet(
        double purpose, double a = 0, double b = 0, double c = 0, string? failure = null, bool leaves = false)
    {
        if (_isOver)
            throw new ObjectDisposedException(nameof(ProcessGroup), "The process group has ended.");
        if (Size == 1)
            return (a, b, c);

        Span<double> numbers =
            [failure is null ? 0 : 1, leaves ? 1 : 0, purpose, Rank == 0 ? purpose : 0, Mixed(purpose), a, b, c];
        SumWhenAllHaveCome(numbers, withoutLimit: leaves);
        (double failing, double leaving) = (numbers[0], numbers[1]);
        if (failing > 0 || (leaving > 0 && leaving < Size))
        {
            _isOver = leaving > 0;
            int first = FirstOf(failing > 0 ? failure is not null : leaves);
            string news = NewsOf(first, failure ?? "left the group while others worked on.");
            if (failure is null && !leaves)
                throw new ProcessGroupException(news, first);
        }
        else if (leaving == 0 && (numbers[2] != Size * numbers[3] || numbers[4] != Size * Mixed(numbers[3])))
        {
            throw new ProcessGroupException(
                "The processes of the group want different things: they called different methods, or gave other numbers of values or " +
                $"another root. Process {Rank} of {Size} came for {Text(purpose)}, process 0 for {Text(numbers[3])}.", rank: null);
        }
        return (numbers[5], numbers[6], numbers[7]);
    }

    /// <summary>What does not add up where purposes do: 20 is the mean of 10 and 30. Of 32 bits, so that sums of it are exact.</summary>
    private static double Mixed(double purpose)
    {
        ulong state = BitConverter.DoubleToUInt64Bits(purpose);
        return SplitMix64.Next(ref state) >> 32;
    }

    private int FirstOf(bool isOne)
    {
        double[] ones = new double[Size];
        ones[Rank] = isOne ? 1 : 0;
        Sum(ones);
        return Array.FindIndex(ones, one => one > 0);
    }

    private string NewsOf(int rank, string news)
    {
        byte[] text = Encoding.UTF8.GetBytes($"Process {Rank} of {Size}, on {Environment.MachineName}: {news}");
        byte[] length = BitConverter.GetBytes(text.Length);
        Spread(length, rank);
        Array.Resize(ref text, BitConverter.ToInt32(length));
        Spread(text, rank);
        return Encoding.UTF8.GetString(text);
    }

    private string Text(double purpose)
    {
        double count = Math.Floor(purpose / Kinds);
        return (purpose % Kinds) switch
        {
            OfFloats => $"the sum of {count} floats",
            OfDoubles => $"the sum of {count} doubles",
            OfBytes => $"{Math.Floor(count / Size)} bytes of process {count % Size}",
            _ => "a meeting",
        };
    }
}
