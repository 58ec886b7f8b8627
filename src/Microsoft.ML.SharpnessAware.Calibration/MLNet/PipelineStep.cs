using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Notices when what should be fitted on rows that the model has not seen is a step of the pipeline that trains the model: a pipeline asks
/// its steps for their columns, then trains, then comes to this step, all in one thread.
/// </summary>
internal sealed class PipelineStep(IHostEnvironment environment)
{
    private readonly TrainingWatch? _watch = TrainingWatch.Of(environment);
    private readonly ThreadLocal<long?> _begunAtPropagation = new();

    /// <summary>To be called when the columns are asked for.</summary>
    public void Propagate() => _begunAtPropagation.Value = _watch?.Begun;

    /// <summary>To be called when the step is fitted: warns if there was a training since the columns were asked for.</summary>
    /// <param name="host">Whose log gets the warning.</param>
    /// <param name="what">What is fitted, for the start of a sentence in the past: "A calibrator was".</param>
    /// <param name="advice">What it does wrong on the training rows, and what to do instead.</param>
    public void WarnAfterTraining(IHost host, string what, string advice)
    {
        if (_begunAtPropagation.Value is long begun && _watch!.Begun > begun)
        {
            using IChannel channel = host.Start("Fit");
            channel.Warning($"{what} fitted in the same pipeline as the model before it, on the rows that this was trained on. It is surer "
                + $"of those than of any others, so {advice}");
        }

        _begunAtPropagation.Value = null;
    }
}
