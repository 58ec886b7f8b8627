using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.ML.SharpnessAware.Benchmarks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Gpu;

/// <summary>SAM steps beside PyTorch's on the same device, in turns, and images a second.</summary>
internal sealed class StepComparison
{
    private const double Target = 1.1;

    private readonly Device _device;
    private readonly bool _hasPeer;
    private readonly bool _isTrial;
    private readonly int _rounds;
    private readonly IReadOnlyList<PyTorchVariant> _variants;
    private readonly List<string> _remarks = [];
    private int _compared;
    private int _reached;

    /// <param name="device">Where.</param>
    /// <param name="hasPeer">Whether there is a Python with PyTorch.</param>
    /// <param name="isQuick">Whether few rounds beside eager PyTorch will do.</param>
    public StepComparison(Device device, bool hasPeer, bool isQuick)
    {
        (_device, _hasPeer, _isTrial) = (device, hasPeer, device.type == DeviceType.CPU);
        _rounds = _isTrial ? 2 : isQuick ? 7 : 15;
        _variants = isQuick ? [PyTorchVariant.Eager] : PyTorchVariant.All;
    }

    /// <summary>What came out, in a line.</summary>
    public string Summary => _compared == 0
        ? "not compared with PyTorch"
        : $"at most {Target.ToString(CultureInfo.InvariantCulture)} of eager PyTorch's step in {_reached} of {_compared}" +
            (_isTrial ? " (a trial on the CPU says nothing about a GPU)" : "");

    // Steps by the dozen, so that neither side waits for the device after each.
    private int StepsAtOnce => _isTrial ? 1 : 10;

    private StepSetting[] Settings => _isTrial
        ? [StepSetting.Small with { BatchSize = 8 }, new(NetworkArchitecture.ResNet18, 2, new(3, 64, 64)),
            new(NetworkArchitecture.VitSmall, 1, new(3, 32, 32))]
        : [new(NetworkArchitecture.ResNet20, 128, new(3, 32, 32)), new(NetworkArchitecture.ResNet18, 64, new(3, 224, 224)),
            new(NetworkArchitecture.VitSmall, 64, new(3, 224, 224))];

    public void Run()
    {
        Table table = new(["Network and batch", "SAM step, ms", "images/s", "scoring, images/s", ..
            _variants.SelectMany(variant => new[] { $"PyTorch {variant.Name}, ms", $"ours / {variant.Name}" })]);
        foreach (StepSetting setting in Settings)
        {
            List<string> cells = [$"{setting}"];
            try
            {
                using TrainingStep ours = new(setting, SharpnessAwareMethod.Sam(), _device);
                double milliseconds = SideBySide.MedianMilliseconds(() => Ours(ours), _rounds) / StepsAtOnce;
                cells.AddRange([Number(milliseconds, "F2"), Number(setting.BatchSize / milliseconds * 1e3, "F0"), Scoring(setting)]);
                foreach (PyTorchVariant variant in _variants)
                    cells.AddRange(_hasPeer ? Beside(ours, setting, variant) : ["–", "–"]);
            }
            catch (ExternalException e) when (e.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase))
            {
                cells.Add("out of memory");
            }
            table.Add([.. cells]);
        }
        _remarks.ForEach(Console.WriteLine);
    }

    private string[] Beside(TrainingStep ours, StepSetting setting, PyTorchVariant variant)
    {
        using PyTorchPeer? peer = PyTorchPeer.TryStart(
            setting, get_num_threads(), variant, out string problem, $"{_device.type}".ToLowerInvariant());
        if (peer is null)
            return Failed(problem);
        if (peer.Parameters != ours.Parameters)
            throw new InvalidOperationException($"{setting}: PyTorch's network has {peer.Parameters} parameters, ours {ours.Parameters}.");
        try
        {
            SideBySide times = SideBySide.Run(() => Ours(ours), () => peer.Step(StepsAtOnce), _rounds);
            if (variant == PyTorchVariant.Eager)
            {
                _compared++;
                if (times.Ratio.Median <= Target)
                    _reached++;
            }
            return [Number(times.TheirsMilliseconds.Median / StepsAtOnce, "F2"), times.Ratio.Text()];
        }
        catch (InvalidOperationException exception)
        {
            return Failed(exception.Message);
        }

        string[] Failed(string why)
        {
            _remarks.Add($"{setting}, PyTorch {variant.Name} is left out: {why}");
            return ["–", "–"];
        }
    }

    private void Ours(TrainingStep step)
    {
        for (int i = 0; i < StepsAtOnce; i++)
            step.Run();
        Wait();
    }

    private string Scoring(StepSetting setting)
    {
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> network = setting.CreateNetwork(_device);
        network.eval();
        (Tensor images, _) = setting.CreateBatch(_device);
        using (inference_mode())
        {
            double milliseconds = SideBySide.MedianMilliseconds(
                () =>
                {
                    for (int i = 0; i < StepsAtOnce; i++)
                        network.call(images).Dispose();
                    Wait();
                },
                _rounds) / StepsAtOnce;
            return Number(setting.BatchSize / milliseconds * 1e3, "F0");
        }
    }

    private void Wait()
    {
        if (_device.type == DeviceType.CUDA)
            cuda.synchronize();
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
