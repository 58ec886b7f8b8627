using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Tells of a training: once what it does and how long that will take, and then of each epoch, to ML.NET's progress channel, its log,
/// and the callback of the options.
/// </summary>
internal sealed class TrainingReport : IDisposable
{
    private const int StepsToEstimateBy = 3;

    private readonly IChannel _channel;
    private readonly TrainingPlan _plan;
    private readonly TrainingProgress _progress;
    private readonly string? _phase;
    private readonly IProgressChannel? _progressChannel;
    private readonly int _stepsPerEpoch;
    private readonly long _stepsBeforeClimbs;
    private long _start = Stopwatch.GetTimestamp();
    private double _passesSince;
    private int _steps;
    private bool _isDescribed;

    public TrainingReport(
        TrainingContext context, TrainingPlan plan, TrainingProgress progress, int stepsPerEpoch, long stepsBeforeClimbs)
    {
        (_channel, _plan, _progress, _phase) = (context.Channel, plan, progress, context.Phase);
        (_stepsPerEpoch, _stepsBeforeClimbs) = (stepsPerEpoch, stepsBeforeClimbs);
        if (context.Group is { Rank: > 0 })
            return;
        _progressChannel = context.Host.StartProgressChannel("SharpnessAwareImageClassification");
        _progressChannel.SetHeader(
            new ProgressHeader(["TrainLoss", "ValidationAccuracy", "ValidationLogLoss", "ValidationECE"], ["epochs", "steps"]),
            entry =>
            {
                entry.SetProgress(0, progress.History.Count, plan.Options.Epoch);
                entry.SetProgress(1, progress.Step, TotalSteps);
            });
    }

    private long TotalSteps => (long)_plan.Options.Epoch * _stepsPerEpoch;

    /// <summary>Steps of the head alone, which are quicker than those to come, where there are any.</summary>
    private long FrozenSteps => _plan.IsOnFeatures ? 0 : (long)_plan.Options.FreezeEpochs * _stepsPerEpoch;

    /// <summary>Says after the first few steps what is going on: the first one is slower than the others.</summary>
    public void StepDone()
    {
        if (_steps >= StepsToEstimateBy)
            return;
        if (_progress.Step <= FrozenSteps)
        {
            if (!_isDescribed)
            {
                _channel.Info($"{Describe()}: the time is estimated once the whole network is trained, after " +
                    $"{_plan.Options.FreezeEpochs} epoch(s) of the head alone.");
            }
            _isDescribed = true;
            _start = Stopwatch.GetTimestamp();
            return;
        }
        _steps++;
        _passesSince += Passes(_progress.Step - 1, _progress.Step);
        if (_steps == StepsToEstimateBy || _progress.Step == TotalSteps || (_steps == 1 && _progress.Batch == _stepsPerEpoch))
        {
            double secondsPerPass = Stopwatch.GetElapsedTime(_start).TotalSeconds / _passesSince;
            string what = _isDescribed ? "The whole network is trained from now on" : Describe();
            _channel.Info($"{what}: it will take about {Time(secondsPerPass * Passes(_progress.Step, TotalSteps))}.");
            _steps = StepsToEstimateBy;
        }
        else if (_steps == 1)
        {
            (_start, _passesSince) = (Stopwatch.GetTimestamp(), 0);
        }
    }

    public void EpochDone(EpochMetrics metrics)
    {
        _progressChannel?.Checkpoint(metrics.TrainLoss, metrics.ValidationAccuracy, metrics.ValidationLogLoss,
            metrics.ValidationExpectedCalibrationError, metrics.Epoch, _progress.Step);
        EpochMetrics reported = metrics with { Phase = _phase };
        _channel.Info(reported.ToString());
        _plan.Options.MetricsCallback?.Invoke(reported);
    }

    public void Dispose() => _progressChannel?.Dispose();

    /// <summary>About how many passes over a mini-batch some steps take: a climb is one more, or a share of one.</summary>
    private double Passes(long from, long to)
    {
        SharpnessAwareMethod method = _plan.Options.Method;
        long climbing = method.TakesTwoPasses ? Math.Max(0, to - Math.Max(from, _stepsBeforeClimbs)) : 0;
        return (to - from) + (climbing * method.AscentShare / method.Period);
    }

    private string Describe()
    {
        ImageClassifier classifier = _plan.Classifier;
        ImageShape shape = classifier.Shape;
        string what = _plan.IsOnFeatures
            ? Text($"the head of '{classifier.Architecture}' on {shape.ValueCount} features")
            : Text($"'{classifier.Architecture}' on {shape.Channels}×{shape.Height}×{shape.Width} values");
        string? weights = _plan.Options.InitialWeights;
        string start = weights is null or PretrainedWeights.Auto or PretrainedWeights.None ? "random weights"
            : $"the weights in '{Path.GetFileName(weights)}'";
        string data = Text($"{_plan.Training.Count} images in {classifier.NumberOfClasses} classes");
        string validation = Text($"{_plan.Validation?.Count ?? 0} more to validate on");
        string length = Text($"{_plan.Options.Epoch} epochs of {_stepsPerEpoch} steps");
        return $"Training {what} of {data} by {_plan.Options.Method}, {validation}, {length}, from {start}";
    }

    private static string Time(double seconds)
    {
        TimeSpan left = TimeSpan.FromSeconds(Math.Min(Math.Ceiling(seconds), TimeSpan.MaxValue.TotalSeconds / 2));
        return Text($"{(long)left.TotalHours}:{left:mm\\:ss}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
