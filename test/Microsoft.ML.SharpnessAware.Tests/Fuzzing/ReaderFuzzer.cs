using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

/// <summary>
/// Gives a reader many damaged inputs. Each must load or be refused by a documented exception, within bounds of memory and time; anything
/// else fails the test with the input's number.
/// </summary>
/// <remarks>
/// An input depends on the reader's name and its number only. <c>MLSHARPNESS_FUZZ_INPUTS</c> sets how many there are (500 without it),
/// <c>MLSHARPNESS_FUZZ_FIRST</c> the number of the first: 1 input from number n on is input n alone.
/// </remarks>
internal sealed class ReaderFuzzer(TestContext test, string reader)
{
    private const int DefaultInputs = 500;
    private const long NativeBytes = 1L << 30;

    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private long _started = Stopwatch.GetTimestamp();
    private int _number;

    /// <summary>Which exceptions the reader documents.</summary>
    public required Func<Exception, bool> Documented { get; init; }

    /// <summary>Managed memory that may be allocated for any input, in all.</summary>
    public long ConstantBytes { get; init; } = 4 << 20;

    /// <summary>Managed memory that may be allocated in addition for each byte of the input.</summary>
    public int BytesPerInputByte { get; init; } = 64;

    /// <summary>The longest that an input may take; generous, since machines are busy.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Inputs of the short run; less for readers that are slow.</summary>
    public int ShortRun { get; init; } = DefaultInputs;

    /// <summary>Runs the inputs that <paramref name="create"/> makes; the first of all are the undamaged <paramref
    /// name="valid"/>.</summary>
    /// <param name="valid">Valid files, which must load.</param>
    /// <param name="create">Makes an input.</param>
    /// <param name="read">The reader, to the end of whatever it reads lazily. It disposes what it made.</param>
    public void Run(IReadOnlyList<byte[]> valid, Func<Random, byte[]> create, Action<byte[]> read)
    {
        var tally = new Tally();
        Exception? failure = null;
        var worker = new Thread(() => failure = RunAll(valid, create, read, tally)) { IsBackground = true, Name = $"Fuzzing {reader}" };
        worker.Start();
        while (!worker.Join(TimeSpan.FromSeconds(1)))
        {
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref _started)) > Hang)
                Assert.Fail(Where("does not end"));
        }

        if (failure is not null)
            throw new AssertFailedException(failure.Message, failure);
        test.WriteLine(tally.ToString(reader));
        if (Environment.GetEnvironmentVariable("MLSHARPNESS_FUZZ_REPORT") is string report)
            File.AppendAllText(report, tally.ToString(reader) + Environment.NewLine);
        if (tally.Inputs >= DefaultInputs)
            Assert.IsTrue(tally.Loaded > valid.Count && tally.Refused > tally.Inputs / 20,
                $"The inputs try little. {tally.ToString(reader)}");
    }

    /// <summary>As above, with inputs made by <see cref="Mutator"/> from the valid files.</summary>
    public void Run(IReadOnlyList<byte[]> valid, Action<byte[]> read) => Run(valid, random => Mutant(random, valid), read);

    public static byte[] Mutant(Random random, IReadOnlyList<byte[]> valid, bool keepsLength = false) =>
        Mutator.Mutate(random, valid[random.Next(valid.Count)], valid[random.Next(valid.Count)], keepsLength);

    private AssertFailedException? RunAll(IReadOnlyList<byte[]> valid, Func<Random, byte[]> create, Action<byte[]> read, Tally tally)
    {
        int first = FromEnvironment("MLSHARPNESS_FUZZ_FIRST", 0);
        int last = first + FromEnvironment("MLSHARPNESS_FUZZ_INPUTS", ShortRun);
        read(valid[0]); // compiles what is to be measured
        for (_number = first; _number < last; _number++)
        {
            try
            {
                bool isValid = _number < valid.Count;
                byte[] input = isValid ? valid[_number] : create(new Random(Seed(_number)));
                RunOne(input, read, tally, mustLoad: isValid);
            }
            catch (Exception e)
            {
                return e as AssertFailedException ?? new AssertFailedException(Where("could not be made"), e);
            }
        }

        return null;
    }

    private void RunOne(byte[] input, Action<byte[]> read, Tally tally, bool mustLoad)
    {
        long native = PeakOfAddressSpace();
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        Volatile.Write(ref _started, Stopwatch.GetTimestamp());
        Exception? refusal = null;
        try
        {
            read(input);
        }
        catch (Exception e)
        {
            refusal = e;
        }

        TimeSpan time = Stopwatch.GetElapsedTime(_started);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        native = PeakOfAddressSpace() - native;
        tally.Add(refusal is not null, allocated, time);
        if (refusal is not null && (mustLoad || !Documented(refusal)))
            throw new AssertFailedException(Where($"was not refused as documented, but {refusal}"), refusal);
        if (allocated > ConstantBytes + ((long)BytesPerInputByte * input.Length))
            throw new AssertFailedException(Where($"of {input.Length} bytes made the reader allocate {allocated:N0} bytes"));
        if (native > NativeBytes)
            throw new AssertFailedException(Where($"of {input.Length} bytes made the process {native:N0} bytes larger"));
        if (time > Limit)
            throw new AssertFailedException(Where($"of {input.Length} bytes took {time}"));
    }

    private string Where(string what) => string.Create(CultureInfo.InvariantCulture,
        $"{reader}: input {_number} {what}. Again, alone: MLSHARPNESS_FUZZ_FIRST={_number} MLSHARPNESS_FUZZ_INPUTS=1 and this test.");

    // FNV-1a of the reader's name, so that readers differ; the same on every machine.
    private int Seed(int number)
    {
        uint hash = 2166136261;
        foreach (char c in $"{reader} {number}")
            hash = (hash ^ c) * 16777619;
        return (int)hash;
    }

    /// <summary>What torch reserves shows here even where it is never touched; 0 where the system does not tell.</summary>
    private static long PeakOfAddressSpace()
    {
        if (!OperatingSystem.IsLinux())
            return 0;
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmPeak:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.AsSpan(7, line.Length - 9), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture);
    }

    private static int FromEnvironment(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    private sealed class Tally
    {
        private readonly long _started = Stopwatch.GetTimestamp();
        private long _mostAllocated;
        private TimeSpan _longest;

        public int Inputs { get; private set; }

        public int Refused { get; private set; }

        public int Loaded => Inputs - Refused;

        public void Add(bool refused, long allocated, TimeSpan time)
        {
            Inputs++;
            Refused += refused ? 1 : 0;
            _mostAllocated = Math.Max(_mostAllocated, allocated);
            _longest = time > _longest ? time : _longest;
        }

        public string ToString(string reader) => string.Create(CultureInfo.InvariantCulture,
            $"{reader}: {Inputs} inputs, {Loaded} loaded, {Refused} refused, {Stopwatch.GetElapsedTime(_started).TotalSeconds:F0} s in " +
                $"all, at most {_longest.TotalMilliseconds:F0} ms and {_mostAllocated / 1024.0 / 1024:F1} MiB for one.");
    }
}
