using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// Two network namespaces of this machine with a cable between them (iproute2, veth), and a host name each: to MPI, two machines. Made by
/// root on Linux; elsewhere the test is inconclusive.
/// </summary>
internal sealed class TwoHosts : IDisposable
{
    private readonly string _id = $"mls{Environment.ProcessId}";
    private readonly TemporaryFolder _folder = new();
    private readonly string _agent;

    public TwoHosts()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Two hosts are network namespaces, which only Linux has.");
        for (int host = 1; host <= 2; host++)
        {
            (int exitCode, string error) = Ip("netns", "add", Name(host));
            if (exitCode != 0)
            {
                Dispose();
                Assert.Inconclusive($"Two hosts need network namespaces, which this user or system cannot make: {error.Trim()}");
            }
        }
        Must(Ip("link", "add", Cable(1), "netns", Name(1), "type", "veth", "peer", "name", Cable(2), "netns", Name(2)));
        for (int host = 1; host <= 2; host++)
        {
            Must(Ip("-n", Name(host), "addr", "add", $"{Address(host)}/24", "dev", Cable(host)));
            Must(Ip("-n", Name(host), "link", "set", "lo", "up"));
            Must(Ip("-n", Name(host), "link", "set", Cable(host), "up"));
        }
        // What ssh would do: agent [options] host command.
        _agent = _folder.File("agent");
        File.WriteAllText(_agent, $"""
            #!/bin/bash
            while [ "$1" != "{Address(1)}" ] && [ "$1" != "{Address(2)}" ]; do shift; done
            host="{Name(1)}"; [ "$1" = "{Address(2)}" ] && host="{Name(2)}"
            shift
            exec ip netns exec "$host" unshare -u sh -c "hostname $host; $*"
            """);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_agent, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Starts a program on both, a process each.</summary>
    public Process Start(string launcher, string program, params string[] arguments)
    {
        string subnet = $"{Address(0)}/24", hosts = $"{Address(1)},{Address(2)}";
        string how = launcher == "mpirun.mpich"
            ? $"-n 2 -ppn 1 -hosts {hosts} -launcher ssh -launcher-exec {_agent} -iface {Cable(1)}"
            : $"-n 2 --host {Address(1)}:1,{Address(2)}:1 --mca plm_rsh_agent {_agent} --mca btl tcp,self " +
              $"--mca btl_tcp_if_include {subnet} --mca oob_tcp_if_include {subnet}";
        string command = $"hostname {Name(1)}; exec {launcher} {how} dotnet {program} {string.Join(' ', arguments)}";
        return MpiRun.StartProcess("ip", ["netns", "exec", Name(1), "unshare", "-u", "sh", "-c", command]);
    }

    /// <summary>Cuts the cable.</summary>
    public void Cut() => Must(Ip("-n", Name(1), "link", "set", Cable(1), "down"));

    /// <summary>Whether a program runs on one of them.</summary>
    public bool AnyRuns(string program) => Enumerable.Range(1, 2).SelectMany(PidsOn).Any(id =>
    {
        try
        {
            string command = File.ReadAllText($"/proc/{id}/cmdline");
            return command.StartsWith("dotnet", StringComparison.Ordinal) && command.Contains(program);
        }
        catch (IOException)
        {
            return false;       // has ended meanwhile
        }
    });

    public string Name(int host) => $"{_id}h{host}";

    /// <summary>Ends what still runs there, and takes them down.</summary>
    public void Dispose()
    {
        for (int host = 1; host <= 2; host++)
        {
            foreach (string id in PidsOn(host))
                Run("kill", "-9", id);
            Ip("netns", "delete", Name(host));
        }
        _folder.Dispose();
    }

    private string[] PidsOn(int host) =>
        Run("ip", "netns", "pids", Name(host)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static string Address(int host) => $"10.213.77.{host}";

    private static string Cable(int host) => $"mlsv{Environment.ProcessId % 100000}{host}";

    private static void Must((int ExitCode, string Error) result) => Assert.AreEqual(0, result.ExitCode, result.Error);

    private static (int ExitCode, string Error) Ip(params string[] arguments)
    {
        (int exitCode, _, string error) = Run("ip", arguments);
        return (exitCode, error);
    }

    private static (int ExitCode, string Output, string Error) Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(
                new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output, error.Result);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return (-1, "", e.Message);
        }
    }
}
