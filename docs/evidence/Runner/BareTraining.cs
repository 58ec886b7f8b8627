using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace MLSharpness.Evidence;

/// <summary>A training without ML.NET, for what can only be seen from inside: <see cref="SharpnessAwareOptimizer"/> and a loop.</summary>
internal sealed class BareTraining : IDisposable
{
    private const int ScoringBatch = 500;

    private readonly nn.Module<Tensor, Tensor> _network;
    private readonly Tensor _images;
    private readonly Tensor _labels;
    private readonly Setting _setting;
    private readonly double _learningRate;
    private readonly int _seed;
    private readonly double _mean;
    private readonly double _deviation;

    public BareTraining(ImageSet training, Setting setting, SharpnessAwareMethod method, double learningRate, int seed)
    {
        (_setting, _learningRate, _seed) = (setting, learningRate, seed);
        using (var random = new TorchRandom(seed))
            _network = random.Draw(() => NetworkArchitecture.Create(setting.Architecture, training.NumberOfClasses, training.Shape));
        Optimizer = new SharpnessAwareOptimizer(_network, method, setting.Base with { LearningRate = learningRate });
        double[] pixels = [.. training.Images.SelectMany(image => image).Select(pixel => (double)pixel)];
        _mean = pixels.Average();
        _deviation = Math.Sqrt(pixels.Average(pixel => (pixel - _mean) * (pixel - _mean)));
        _images = Batch(training, 0, training.Count);
        _labels = tensor(training.Labels.Select(label => (long)label).ToArray());
    }

    public SharpnessAwareOptimizer Optimizer { get; }

    public LearningRateSchedule Schedule { get; init; } = new LearningRateSchedule.Cosine();

    /// <summary>Trains for the setting's epochs.</summary>
    /// <param name="stepDone">Called with the loss after each step.</param>
    /// <param name="epochDone">Called after each epoch.</param>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite.</exception>
    public void Run(Action<double> stepDone, Action<int>? epochDone = null)
    {
        _network.train();
        var order = new BatchOrder(_images.shape[0], _setting.BatchSize, _seed);
        long step = 0, total = TotalSteps;
        LearningRateSchedule schedule = Schedule;
        for (int epoch = 1; epoch <= _setting.Epochs; epoch++)
        {
            foreach (ReadOnlyMemory<long> rows in order.Epoch(epoch))
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor index = tensor(rows.ToArray());
                Tensor images = _images.index_select(0, index), labels = _labels.index_select(0, index);
                Optimizer.LearningRate = _learningRate * schedule.Factor(step++, total);
                stepDone(Optimizer.Step(() => _network.call(images), labels));
            }

            epochDone?.Invoke(epoch);
            _network.train();
        }
    }

    public long TotalSteps => (long)_setting.Epochs * new BatchOrder(_images.shape[0], _setting.BatchSize, _seed).BatchesPerEpoch;

    /// <summary>Makes running statistics anew, for weights that were not trained as they are.</summary>
    public void UpdateStatistics() => WeightAverage.UpdateStatistics(
        _network, new BatchOrder(_images.shape[0], _setting.BatchSize, _seed).Epoch(1).Select(rows => (Action)(() =>
            _network.call(_images.index_select(0, tensor(rows.ToArray()))))));

    /// <summary>Accuracy, log loss and expected calibration error, with the running statistics.</summary>
    public double[] Judge(ImageSet images)
    {
        MulticlassCalibrationMetrics metrics = LogitMetrics.Of(Logits(images), [.. images.Labels], images.NumberOfClasses);
        return [metrics.Accuracy, metrics.LogLoss, metrics.ExpectedCalibrationError];
    }

    /// <summary>The logits [images × classes], with the running statistics.</summary>
    public float[] Logits(ImageSet images)
    {
        _network.eval();
        List<float> logits = [];
        for (int start = 0; start < images.Count; start += ScoringBatch)
        {
            using var inference = inference_mode();
            using DisposeScope scope = NewDisposeScope();
            using Tensor batch = Batch(images, start, Math.Min(ScoringBatch, images.Count - start));
            logits.AddRange(_network.call(batch).contiguous().data<float>());
        }

        return [.. logits];
    }

    /// <summary>The mean cross entropy, with the running statistics.</summary>
    public double Loss(ImageSet images) => Mean(images, (logits, labels) =>
        nn.functional.cross_entropy(logits, labels, reduction: nn.Reduction.Sum));

    public double Accuracy(ImageSet images) => Mean(images, (logits, labels) => (logits.argmax(1) == labels).sum());

    public void Dispose()
    {
        Optimizer.Dispose();
        _network.Dispose();
        _images.Dispose();
        _labels.Dispose();
    }

    private double Mean(ImageSet images, Func<Tensor, Tensor, Tensor> sum)
    {
        _network.eval();
        double total = 0;
        for (int start = 0; start < images.Count; start += ScoringBatch)
        {
            using var inference = inference_mode();
            using DisposeScope scope = NewDisposeScope();
            int count = Math.Min(ScoringBatch, images.Count - start);
            Tensor labels = tensor(images.Labels.Skip(start).Take(count).Select(label => (long)label).ToArray());
            using Tensor batch = Batch(images, start, count);
            total += sum(_network.call(batch), labels).to(float64).item<double>();
        }
        return total / images.Count;
    }

    private Tensor Batch(ImageSet images, int start, int count)
    {
        using DisposeScope scope = NewDisposeScope();
        ImageShape shape = images.Shape;
        byte[] bytes = [.. images.Images.Skip(start).Take(count).SelectMany(image => image)];
        return scope.MoveToOuter((tensor(bytes, [count, shape.Channels, shape.Height, shape.Width]).to(float32) - _mean) / _deviation)
            .DetachFromDisposeScope();
    }
}
