using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>Resident memory as Linux counts it, in bytes.</summary>
internal static class ProcessMemory
{
    public static long Now() => Read(Environment.ProcessId, "VmRSS:");

    public static long Peak(int processId) => Read(processId, "VmHWM:");

    private static long Read(int processId, string field) => 1024 * long.Parse(
        File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith(field, StringComparison.Ordinal))
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
