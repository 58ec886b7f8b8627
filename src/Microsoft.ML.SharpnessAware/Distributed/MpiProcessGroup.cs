using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The processes of MPI's world.</summary>
internal sealed unsafe class MpiProcessGroup : ProcessGroup
{
    private const int MostNumbers = 8;

    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(10), Grace = TimeSpan.FromSeconds(10);

    // What is longer is for ever; timers cannot count beyond 49 days.
    private static readonly TimeSpan LongestTimeout = TimeSpan.FromDays(49);

    // How long to wait at full speed, and then how long by giving the processor to others; after that a millisecond more does not matter.
    private static readonly TimeSpan Busy = TimeSpan.FromMicroseconds(50), Polite = TimeSpan.FromMilliseconds(50);

    private static readonly Lock Starting = new();
    private static MpiProcessGroup? _world;

    private readonly MpiLibrary _mpi;
    private readonly bool _isOurs;
    private readonly TimeSpan _timeout;
    private readonly Lock _calls = new();
    private readonly Timer? _watch;
    private readonly double* _numbers = (double*)NativeMemory.Alloc(MostNumbers, sizeof(double)); // stays: a sum may never end
    private int _localSize = 1, _sharers = 1;
    private (string? Library, TimeSpan Timeout) _asked;
    private bool _isStuck;

    private MpiProcessGroup(MpiLibrary mpi, TimeSpan timeout)
    {
        (_mpi, _timeout) = (mpi, timeout < LongestTimeout ? timeout : Timeout.InfiniteTimeSpan);
        if (_timeout != Timeout.InfiniteTimeSpan)
            _watch = new Timer(_ => EndProcess());
        try
        {
            _isOurs = mpi.Start();
            (Rank, Size) = mpi.Place();
        }
        catch (MpiException e)
        {
            throw new InvalidOperationException($"MPI cannot be started: {e.Message}", e);
        }
    }

    public override int Rank { get; }

    public override int Size { get; }

    public override int LocalSize => _localSize;

    public override int ThreadsPerProcess => Math.Max(1, Environment.ProcessorCount / _sharers);

    /// <inheritdoc cref="ProcessGroup.Mpi"/>
    public static MpiProcessGroup Start(string? library, TimeSpan? timeout)
    {
        TimeSpan limit = timeout ?? DefaultTimeout;
        if (limit <= TimeSpan.Zero && limit != Timeout.InfiniteTimeSpan)
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "The timeout must be above 0, or infinite.");
        lock (Starting)
        {
            if (_world is { IsOver: true })
            {
                throw new InvalidOperationException(
                    "The group of this process has ended: it was disposed, or the connection to the others was lost. MPI can be started " +
                    "once in the life of a process; keep the group, and dispose it when the program ends.");
            }
            if (_world is not null)
                return _world.CheckSame(library, timeout);
            MpiLauncher? launcher = MpiLauncher.Current;
            MpiLibrary mpi = MpiLibrary.Load(library, launcher?.Family);
            var world = new MpiProcessGroup(mpi, limit) { _asked = (library, limit) };
            if (launcher is not null && launcher.Size != world.Size)
            {
                throw new InvalidOperationException(
                    $"This process is one of {launcher.Size} that {launcher.Name} has started, but the MPI library '{mpi.Name}' " +
                    $"({mpi.Version}) sees {world.Size}: they do not belong together. Start the processes with that library's own " +
                    "mpirun, or install the launcher's library (with srun, choose what the library understands: --mpi=pmix or " +
                    "--mpi=pmi2).");
            }
            world._localSize = world.CountOfThoseWith(Environment.MachineName);
            world._sharers = world.CountOfThoseWith($"{Environment.MachineName} {AllowedProcessors()}");
            return _world = world;
        }
    }

    public override void Abort(int exitCode = 1)
    {
        _mpi.Abort(exitCode);
        Environment.Exit(exitCode);
    }

    /// <exception cref="InvalidOperationException">It was asked for by another library or timeout.</exception>
    private MpiProcessGroup CheckSame(string? library, TimeSpan? timeout)
    {
        if ((library is null || library == _asked.Library || library == _mpi.Name) && (timeout is null || timeout == _asked.Timeout))
            return this;
        throw new InvalidOperationException(
            $"MPI can be started once in the life of a process, and was with the library '{_mpi.Name}' and a timeout of " +
            $"{_asked.Timeout:g} (hours:minutes:seconds). Give library and timeout to the first call of ProcessGroup.Mpi, and leave them " +
            "out of later ones.");
    }

    private protected override void SumWhenAllHaveCome(Span<double> numbers, bool withoutLimit)
    {
        lock (_calls)
        {
            numbers.CopyTo(new Span<double>(_numbers, MostNumbers));
            nint request = 0;
            try
            {
                if (!withoutLimit)
                    Watch(_timeout + Grace);        // for a library that waits inside of what should return at once
                _mpi.BeginSum(_numbers, numbers.Length, &request);
                long start = Stopwatch.GetTimestamp();
                while (!_mpi.IsDone(&request))
                {
                    TimeSpan waited = Stopwatch.GetElapsedTime(start);
                    if (waited > _timeout && _timeout != Timeout.InfiniteTimeSpan && !withoutLimit)
                    {
                        _isStuck = true;
                        throw Lost($"not all of the others have come within {_timeout:g} (hours:minutes:seconds). One of them has ended " +
                            "or hangs, or the network between the machines is cut; what its launcher and its log say tells which. Where " +
                            "one only takes long, give ProcessGroup.Mpi a longer timeout.");
                    }
                    if (waited > Polite)
                        Thread.Sleep(1);
                    else if (waited > Busy)
                        Thread.Yield();
                }
            }
            catch (MpiException e)
            {
                throw Broken(e);
            }
            finally
            {
                Watch(Timeout.InfiniteTimeSpan);
            }
            new Span<double>(_numbers, numbers.Length).CopyTo(numbers);
        }
    }

    private protected override void Sum(Span<float> values)
    {
        fixed (float* start = values)
        {
            float* first = start;
            int count = values.Length;
            Call(() => _mpi.Sum(first, count));
        }
    }

    private protected override void Sum(Span<double> values)
    {
        fixed (double* start = values)
        {
            double* first = start;
            int count = values.Length;
            Call(() => _mpi.Sum(first, count));
        }
    }

    private protected override void Spread(Span<byte> values, int root)
    {
        fixed (byte* start = values)
        {
            byte* first = start;
            int count = values.Length;
            Call(() => _mpi.Broadcast(first, count, root));
        }
    }

    private protected override void Release()
    {
        if (_isStuck)
            return;         // MPI would wait for what never comes; without its end, the launcher sees that something was wrong
        NativeMemory.Free(_numbers);
        if (_isOurs)
            Call(_mpi.End);
        _watch?.Dispose();
    }

    private void Call(Action function)
    {
        lock (_calls)
        {
            Watch(_timeout);
            try
            {
                function();
            }
            catch (MpiException e)
            {
                throw Broken(e);
            }
            finally
            {
                Watch(Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void Watch(TimeSpan limit) => _watch?.Change(limit, Timeout.InfiniteTimeSpan);

    // All have come, and then the connection was lost. What waits inside of MPI cannot be woken.
    private void EndProcess() => Environment.FailFast(
        $"Process {Rank} of {Size}: an exchange with the others did not end within {_timeout:g} (hours:minutes:seconds). One of them has " +
        "ended or hangs, or the network between the machines is cut.");

    private ProcessGroupException Broken(MpiException e)
    {
        _isStuck = true;
        return Lost($"the connection to the others is broken. {e.Message}", e);
    }

    // Launchers bind processes to processors of their own, or do not.
    private static string AllowedProcessors()
    {
        const string Status = "/proc/self/status", Line = "Cpus_allowed_list:";
        return File.Exists(Status)
            ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(Line, StringComparison.Ordinal)) ?? ""
            : "";
    }

    private int CountOfThoseWith(string text)
    {
        ulong hash = BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        double own = hash >> 12;                // as much as a double holds exactly
        double[] all = new double[Size];
        all[Rank] = own;
        AllReduceSum(all);
        return all.Count(other => other == own);
    }
}
