using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// Resident memory while pictures of 224×224 become features and a head is trained on them: by default options, from the weights of the
/// package.
/// </summary>
internal static class FeatureMemoryBenchmark
{
    private const int Files = 100, Side = 224, Lines = 10;

    public static void Run(int pictures)
    {
        using Photographs photographs = new(Files, 500, 375);
        string[] files = [.. Directory.EnumerateFiles(photographs.Folder, "*.jpg", SearchOption.AllDirectories).Order()];
        MLContext mlContext = new(seed: 1);
        int read = 0;
        double peak = 0;
        long start = 0;
        Table? table = null;
        IDataView rows = mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, pictures).Select(Read));
        IDataView data = mlContext.Transforms.Conversion.MapValueToKey("Label").Fit(rows).Transform(rows);

        read = 0;
        start = Stopwatch.GetTimestamp();
        using CancellationTokenSource stop = new();
        Thread watch = new(() =>
        {
            do
                peak = Math.Max(peak, ProcessMemory.Now() / 1e6);
            while (!stop.Token.WaitHandle.WaitOne(50));
        });
        watch.Start();
        table = new("Pictures read", "as pixels, MB", "resident, MB", "most until then", "managed heap", "seconds");
        Add("0");
        mlContext.Log += (_, e) =>
        {
            if (e.Message.Contains("went through the backbone once", StringComparison.Ordinal))
                Add($"{pictures}, all features made");
        };
        mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
        {
            FeatureColumnName = "Image",
            ImageWidth = Side,
            ImageHeight = Side,
        }).Fit(data).Dispose();
        Add($"{pictures}, the head trained");
        stop.Cancel();
        watch.Join();

        Picture Read(int i)
        {
            if (++read % (pictures / Lines) == 0 && table is not null)
                Add($"{read}");
            string path = files[i % Files];
            return new Picture { Label = Path.GetFileName(Path.GetDirectoryName(path)!), Image = File.ReadAllBytes(path) };
        }

        void Add(string what) => table!.Add(what, $"{(double)read * 3 * Side * Side / 1e6:F0}", $"{ProcessMemory.Now() / 1e6:F0}",
            $"{peak:F0}", $"{GC.GetTotalMemory(forceFullCollection: false) / 1e6:F0}",
            $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F0}");
    }

    private sealed class Picture
    {
        public string Label { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }
}
