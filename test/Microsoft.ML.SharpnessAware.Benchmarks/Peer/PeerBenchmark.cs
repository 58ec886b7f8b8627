using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>Our SAM step against PyTorch's, in turns, with as many threads: PyTorch as it is installed, and tuned.</summary>
internal static class PeerBenchmark
{
    public static void Run(bool tuneOurs, int rounds = 25)
    {
        bool kept = tuneOurs && AllocatorTuning.KeepFreedMemory();
        Console.WriteLine($"Ours {(kept ? "with" : "without")} AllocatorTuning.KeepFreedMemory(), {get_num_threads()} threads.");
        Table? table = null;
        foreach (StepSetting setting in StepSetting.All)
        {
            using TrainingStep ours = new(setting, SharpnessAwareMethod.Sam());
            List<string> cells = [$"{setting}"];
            foreach (PyTorchVariant variant in new[] { PyTorchVariant.Eager, PyTorchVariant.ChannelsLast })
            {
                using PyTorchPeer? peer = PyTorchPeer.TryStart(setting, get_num_threads(), variant, out string problem);
                if (peer is null)
                {
                    Console.WriteLine($"Skipped: PyTorch cannot be started ({problem}). On Debian: apt-get install python3-torch " +
                        "libopenblas0-pthread.");
                    return;
                }

                table ??= new("SAM step", "Ours, ms", $"PyTorch {peer.Version}, ms", "Ours / PyTorch", "PyTorch tuned, ms", "Ours / tuned");
                SideBySide times = SideBySide.Run(ours.Run, peer.Step, rounds);
                if (cells.Count == 1)
                    cells.Add($"{times.OursMilliseconds.Median:F1}");
                cells.Add($"{times.TheirsMilliseconds.Median:F1}");
                cells.Add(times.Ratio.Text());
            }

            table!.Add([.. cells]);
        }
    }
}
