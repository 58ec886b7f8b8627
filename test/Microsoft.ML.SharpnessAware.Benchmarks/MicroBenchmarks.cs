using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>The small things that the rest is made of.</summary>
[MemoryDiagnoser]
public class MicroBenchmarks : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> _network = NetworkArchitecture.Create(NetworkArchitecture.ResNet20, 10, new(3, 32, 32));
    private readonly FlatParameters _flat;
    private readonly Tensor _saved;
    private readonly Scalar _scale = 1e-6;
    private readonly float[] _scores;
    private readonly int[] _labels;
    private readonly Photographs _photographs = new(count: 1, width: 640, height: 480);
    private readonly byte[] _file;
    private readonly ImageDecoder _decoder = new();
    private readonly byte[] _planes = new byte[3 * 224 * 224];
    private readonly MulticlassCalibrationMetrics _metrics;

    public MicroBenchmarks()
    {
        _flat = new FlatParameters(_network);
        _saved = _flat.CreateState();
        Random random = new(1);
        _labels = [.. Enumerable.Range(0, 10_000).Select(_ => random.Next(10))];
        _scores = [.. _labels.SelectMany(label => Enumerable.Range(0, 10).Select(k => k == label ? 0.55f : 0.05f))];
        _file = File.ReadAllBytes(Directory.GetFiles(_photographs.Folder, "*", SearchOption.AllDirectories)[0]);
        _metrics = Metrics10000Rows();
    }

    /// <summary>In this process: the native library is where the application has it.</summary>
    internal static void Run(string[] args) => BenchmarkSwitcher.FromTypes([typeof(MicroBenchmarks)]).Run(args, DefaultConfig.Instance
        .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance)));

    /// <summary>Save W, climb, come back: ResNet-20's 272,000 weights as one vector.</summary>
    [Benchmark]
    public void ClimbAndReturnFlat()
    {
        using IDisposable noGradient = no_grad();
        _saved.copy_(_flat.Weights);
        _flat.Weights.add_(_flat.Gradient, _scale);
        _flat.Weights.copy_(_saved);
    }

    /// <summary>The same a parameter at a time.</summary>
    [Benchmark]
    public void ClimbAndReturnByParameter()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        foreach (var parameter in _network.parameters())
        {
            Tensor saved = parameter.clone();
            parameter.add_(saved, _scale);
            parameter.copy_(saved);
        }
    }

    [Benchmark]
    public MulticlassCalibrationMetrics Metrics10000Rows() => CalibrationMetrics.Compute(_scores, _labels, 10);

    [Benchmark]
    public CalibrationIntervals Bootstrap1000Resamples() => _metrics.Bootstrap();

    [Benchmark]
    public int DecodeJpeg640X480To224() => _decoder.Decode(_file, new ImageShape(3, 224, 224), _planes);

    [Benchmark]
    public int DecodeJpeg640X480To64() => _decoder.Decode(_file, new ImageShape(3, 64, 64), _planes.AsSpan(0, 3 * 64 * 64));

    [GlobalCleanup]
    public void Dispose()
    {
        _flat.Dispose();
        _saved.Dispose();
        _scale.Dispose();
        _network.Dispose();
        _photographs.Dispose();
        GC.SuppressFinalize(this);
    }
}
