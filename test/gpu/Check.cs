using Microsoft.ML.SharpnessAware.Benchmarks;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Gpu;

/// <summary>All of it: find libtorch, load it, test, measure, sum up.</summary>
internal static class Check
{
    /// <param name="python">The Python that has PyTorch; null where libtorch is given and nothing is compared with PyTorch.</param>
    /// <param name="libtorch">A folder with libtorch in place of PyTorch's; null for that.</param>
    /// <param name="onCpu">Whether this is a trial on the CPU.</param>
    /// <param name="tests">Whether to test.</param>
    /// <param name="benchmarks">Whether to measure.</param>
    /// <param name="quick">Whether to measure few rounds, beside eager PyTorch only.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> Run(string? python, string? libtorch, bool onCpu, bool tests, bool benchmarks, bool quick)
    {
        PythonWithTorch? peer;
        string device = onCpu ? "cpu" : "cuda", folder;
        try
        {
            peer = python is null ? null : PythonWithTorch.Ask(python);
            folder = libtorch ?? peer!.Folder;
            if (peer is not null)
                Console.WriteLine($"PyTorch {peer.Version} of {python}{(peer.Version.StartsWith("2.10", StringComparison.Ordinal) ? "" :
                    "; TorchSharp was built for 2.10, and what this one changed in how things lie in memory nobody can see from " +
                    "outside")}");
            TorchLibraries.Load(folder);
            using (empty(1))
                Console.WriteLine($"Loaded: libtorch of {folder}, by TorchSharp.");
            if (!onCpu)
                FindDevice(folder, peer);
        }
        catch (CannotBeginException exception)
        {
            Console.Error.WriteLine($"Cannot begin: {exception.Message}");
            return 2;
        }
        PyTorchPeer.Python = python;
        string deviceName = onCpu
            ? "the CPU, a trial at small sizes"
            : $"the first of {cuda.device_count()} GPUs: {peer?.DeviceName ?? "name unknown"}";
        Console.WriteLine($"Device: {deviceName}.");

        bool good = true;
        string tested = "not run", measured = "not run";
        if (tests)
        {
            good = await DeviceTests.Run(device);
            tested = good ? "passed" : "FAILED";
        }
        if (benchmarks)
        {
            Console.WriteLine();
            StepComparison comparison = new(new Device(device), hasPeer: peer is not null, quick);
            comparison.Run();
            measured = comparison.Summary;
        }

        Console.WriteLine($"""

            Summary
              libtorch    {folder}{(peer is null ? "" : $" (PyTorch {peer.Version})")}
              device      {deviceName}
              tests       {tested}
              benchmarks  {measured}
            """);
        return good ? 0 : 1;
    }

    private static void FindDevice(string folder, PythonWithTorch? peer)
    {
        if (!TorchLibraries.HasCuda(folder))
        {
            throw new CannotBeginException($"The libtorch in '{folder}' was built without CUDA (it has no libtorch_cuda.so). Install " +
                "PyTorch with CUDA (pip install torch brings it on Linux), or give --cpu for a trial on the CPU.");
        }
        if (!cuda.is_available())
            throw new CannotBeginException(
                $"No CUDA device can be used: {CudaDriver.Problem(peer?.Cuda ?? "")} Or give --cpu for a trial on the CPU.");
    }
}
