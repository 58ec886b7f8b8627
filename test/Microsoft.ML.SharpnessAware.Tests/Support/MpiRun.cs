using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Programs of this repository as processes of an MPI launcher that is installed.</summary>
internal static class MpiRun
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    // Root is usual in a container, more processes than processors in a test; and its processes are to print, not to draw.
    private static readonly (string Name, string Value)[] Environment =
    [
        ("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"), ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
        ("TERM", "dumb"), ("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1"),
    ];

    /// <summary>The launchers that tests try, whether or not they are there.</summary>
    public static IEnumerable<object[]> Launchers => [["mpirun.openmpi"], ["mpirun.mpich"]];

    /// <summary>One that is there; the test is inconclusive without any.</summary>
    public static string Any()
    {
        string[] here = [.. Launchers.Select(launcher => (string)launcher[0]).Where(IsThere)];
        if (here.Length == 0)
            Skip("openmpi-bin or mpich");
        return here[0];
    }

    public static void Require(string launcher)
    {
        if (!IsThere(launcher))
            Skip(launcher == "mpirun.mpich" ? "mpich" : "openmpi-bin");
    }

    /// <summary>Runs it in so many processes and waits for the end of all.</summary>
    public static (int ExitCode, string Output, string Error) Run(string launcher, int processes, string program, params string[] arguments)
    {
        using Process process = Start(launcher, processes, program, arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{launcher} did not end. {output.Result} {error.Result}");
        }
        return (process.ExitCode, output.Result, error.Result);
    }

    /// <summary>Starts it in so many processes.</summary>
    public static Process Start(string launcher, int processes, string program, params string[] arguments)
    {
        Require(launcher);
        return StartProcess(launcher, ["-n", $"{processes}", "dotnet", program, .. arguments]);
    }

    /// <summary>Starts a launcher, or what starts one.</summary>
    public static Process StartProcess(string launcher, string[] arguments)
    {
        var start = new ProcessStartInfo(launcher, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in Environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static bool IsThere(string launcher) => (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, launcher)));

    private static void Skip(string package) => Assert.Inconclusive(
        $"This test starts processes by MPI, which is not installed: apt install {package}.");
}
