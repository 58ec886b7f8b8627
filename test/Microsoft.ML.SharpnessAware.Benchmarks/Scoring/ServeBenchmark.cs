using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// The sample web service, published with libtorch and for ONNX alone: how large it is, when it first answers, how much memory it takes and
/// how many pictures a second it serves to eight clients. In turns.
/// </summary>
internal static class ServeBenchmark
{
    private const int Rounds = 3;
    private const int Connections = 8;
    private const int Side = 48;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(3), Measured = TimeSpan.FromSeconds(5);

    /// <param name="torchFolder">What dotnet publish docs/samples/Serve wrote.</param>
    /// <param name="onnxFolder">What it wrote with -p:OnnxOnly=true.</param>
    public static void Run(string torchFolder, string onnxFolder)
    {
        using Photographs photographs = new(count: 20, width: 100, height: 100);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("serve-benchmark");
        try
        {
            Save(photographs, folder);
            byte[] picture = File.ReadAllBytes(Directory.GetFiles(photographs.Folder, "*", SearchOption.AllDirectories)[0]);
            Figures[] torch = new Figures[Rounds], onnx = new Figures[Rounds];
            for (int round = 0; round < Rounds; round++)
            {
                torch[round] = Measure(torchFolder, Path.Combine(folder.FullName, "model.zip"), picture);
                onnx[round] = Measure(onnxFolder, Path.Combine(folder.FullName, "model.onnx"), picture);
            }

            Table table = new("Service", "Published, MB", "First answer, s", "Memory, MB", "Pictures a second");
            table.Add(["libtorch", .. Row(torchFolder, torch)]);
            table.Add(["ONNX Runtime", .. Row(onnxFolder, onnx)]);
            Console.WriteLine($"Pictures, ratio: {Sample.Of(onnx.Zip(torch, (our, their) => our.PerSecond / their.PerSecond)).Text()}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Save(Photographs photographs, DirectoryInfo folder)
    {
        MLContext mlContext = new(seed: 1);
        IDataView images = mlContext.Data.LoadImagesFromFolder(photographs.Folder);
        using var model = mlContext.Transforms.Conversion.MapValueToKey("Label").Append(
            mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(new()
            {
                FeatureColumnName = "Image",
                Arch = NetworkArchitecture.ResNet8,
                Epoch = 1,
                BatchSize = 4,
                ImageWidth = Side,
                ImageHeight = Side,
                ValidationSetFraction = 0,
            })).Fit(images);
        mlContext.Model.Save(model, images.Schema, Path.Combine(folder.FullName, "model.zip"));
        model.SaveOnnx(Path.Combine(folder.FullName, "model.onnx"));
    }

    private static Figures Measure(string published, string model, byte[] picture)
    {
        const string Address = "http://127.0.0.1:5123";
        ProcessStartInfo start = new("dotnet") { RedirectStandardOutput = true, WorkingDirectory = published };
        foreach (string argument in new[] { Path.Combine(published, "Serve.dll"), model, "--urls", Address, "--Logging:LogLevel:Default",
            "None" })
            start.ArgumentList.Add(argument);
        using HttpClient client = new() { BaseAddress = new Uri(Address) };
        long started = Stopwatch.GetTimestamp();
        using Process service = Process.Start(start)!;
        try
        {
            while (!Answers(client, picture))
                Thread.Sleep(5);
            double first = Stopwatch.GetElapsedTime(started).TotalSeconds;
            Ask(client, picture, WarmUp);
            int answers = Ask(client, picture, Measured);
            return new Figures(first, ProcessMemory.Peak(service.Id) / 1e6, answers / Measured.TotalSeconds);
        }
        finally
        {
            service.Kill();
            service.WaitForExit();
        }
    }

    private static bool Answers(HttpClient client, byte[] picture)
    {
        try
        {
            using HttpResponseMessage answer = client.PostAsync("/predict", new ByteArrayContent(picture)).GetAwaiter().GetResult();
            return answer.EnsureSuccessStatusCode().IsSuccessStatusCode;
        }
        catch (HttpRequestException e) when (e.StatusCode is null)
        {
            return false;       // not listening yet
        }
    }

    private static int Ask(HttpClient client, byte[] picture, TimeSpan time)
    {
        long started = Stopwatch.GetTimestamp();
        int answers = 0;
        Task.WaitAll([.. Enumerable.Range(0, Connections).Select(async _ =>
        {
            while (Stopwatch.GetElapsedTime(started) < time)
            {
                using HttpResponseMessage answer = await client.PostAsync("/predict", new ByteArrayContent(picture));
                answer.EnsureSuccessStatusCode();
                Interlocked.Increment(ref answers);
            }
        })]);
        return answers;
    }

    private static string[] Row(string folder, Figures[] figures)
    {
        long bytes = new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
        return [(bytes / 1e6).ToString("F0", CultureInfo.InvariantCulture), Sample.Of(figures.Select(each => each.First)).Text(),
            Sample.Of(figures.Select(each => each.Megabytes)).Text("F0"), Sample.Of(figures.Select(each => each.PerSecond)).Text("F0")];
    }

    private sealed record Figures(double First, double Megabytes, double PerSecond);
}
