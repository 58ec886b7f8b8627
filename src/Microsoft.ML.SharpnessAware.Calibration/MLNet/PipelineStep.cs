using System.Diagnostics;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Notices when what should be fitted on rows that the model has not seen is a step of the pipeline that trains the model: a pipeline asks
/// its steps for their columns, then trains, then comes to this step, all in one thread.
/// </summary>
/// <remarks>
/// A pipeline within it asks again, after the training, just as one does that is fitted for itself on other rows. Only the call stack tells
/// them apart: within the Fit of how many estimators a step is asked.
/// </remarks>
/// <param name="environment">Whose trainings count.</param>
/// <param name="owner">The estimator that the step is.</param>
internal sealed class PipelineStep(IHostEnvironment environment, Type owner)
{
    private readonly TrainingWatch? _watch = TrainingWatch.Of(environment);
    private readonly ThreadLocal<(long Begun, int Depth)?> _asked = new();

    /// <summary>To be called when the columns are asked for.</summary>
    public void Propagate()
    {
        if (_watch is null || Depth() is not (> 0 and int depth))
            return;
        if (_asked.Value is not { } before || before.Depth >= depth)
            _asked.Value = (_watch.Begun, depth);
    }

    /// <summary>To be called when the step is fitted: warns if there was a training since the pipeline, the outermost if there are
    /// several, asked for the columns.</summary>
    /// <param name="host">Whose log gets the warning.</param>
    /// <param name="what">What is fitted, for the start of a sentence in the past: "A calibrator was".</param>
    /// <param name="advice">What it does wrong on the training rows, and what to do instead.</param>
    public void WarnAfterTraining(IHost host, string what, string advice)
    {
        if (_asked.Value is { } asked && _watch!.Begun > asked.Begun && Depth() >= asked.Depth)
        {
            using IChannel channel = host.Start("Fit");
            channel.Warning($"{what} fitted in the same pipeline as the model before it, on the rows that this was trained on. It is surer "
                + $"of those than of any others, so {advice}");
        }

        _asked.Value = null;
    }

    /// <summary>How many estimators are being fitted, one within the other, around the step.</summary>
    private int Depth() => new StackTrace().GetFrames().Count(frame => frame.GetMethod() is { DeclaringType: Type type } method
        && method.Name == nameof(IEstimator<ITransformer>.Fit) && type != owner && IsEstimator(type));

    private static bool IsEstimator(Type type) => Array.Exists(type.GetInterfaces(),
        one => one.IsGenericType && one.GetGenericTypeDefinition() == typeof(IEstimator<>));
}
