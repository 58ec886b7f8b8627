using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Tells of each epoch: ML.NET's progress channel, its log, and the callback of the options.</summary>
internal sealed class TrainingReport : IDisposable
{
    private readonly IChannel _channel;
    private readonly Action<EpochMetrics>? _callback;
    private readonly TrainingProgress _progress;
    private readonly IProgressChannel _progressChannel;

    public TrainingReport(TrainingContext context, TrainingProgress progress, int epochs, long steps, Action<EpochMetrics>? callback)
    {
        (_channel, _progress, _callback) = (context.Channel, progress, callback);
        _progressChannel = context.Host.StartProgressChannel("SharpnessAwareImageClassification");
        _progressChannel.SetHeader(
            new ProgressHeader(["TrainLoss", "ValidationAccuracy", "ValidationLogLoss", "ValidationECE"], ["epochs", "steps"]),
            entry =>
            {
                entry.SetProgress(0, progress.History.Count, epochs);
                entry.SetProgress(1, progress.Step, steps);
            });
    }

    public void EpochDone(EpochMetrics metrics)
    {
        _progressChannel.Checkpoint(metrics.TrainLoss, metrics.ValidationAccuracy, metrics.ValidationLogLoss,
            metrics.ValidationExpectedCalibrationError, metrics.Epoch, _progress.Step);
        _channel.Info(metrics.ToString());
        if (metrics.Epoch == 1)
            _channel.Info($"The whole training will take about {metrics.Duration * metrics.TotalEpochs:h\\:mm\\:ss}.");
        _callback?.Invoke(metrics);
    }

    public void Dispose() => _progressChannel.Dispose();
}
