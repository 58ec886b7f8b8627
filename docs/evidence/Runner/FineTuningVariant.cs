using Microsoft.ML.SharpnessAware;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace MLSharpness.Evidence;

/// <summary>A way to fine-tune.</summary>
/// <param name="Name">Its name in the CSV file.</param>
/// <param name="Rho">The radius of the climb; 0 where there is none, or where it is chosen.</param>
/// <param name="Apply">Sets it.</param>
internal sealed record FineTuningVariant(string Name, double Rho, Action<Options> Apply)
{
    public static FineTuningVariant Head { get; } = new("head", 0, options => options.FineTuning = FineTuning.HeadOnly);

    public static FineTuningVariant Auto { get; } = new("auto", 0, options => options.FineTuning = FineTuning.Auto);

    /// <summary>The whole network after the head, by AdamW, batch norm frozen.</summary>
    public static FineTuningVariant Gentle(double rho, double rate, int? epochs = null) => Gentle(
        SharpnessAwareMethod.Csam(rho), $"gentle at {Text.Of(rate)}{For(epochs)}", rate, epochs);

    /// <summary>The same by any method.</summary>
    public static FineTuningVariant Gentle(SharpnessAwareMethod method, string name, double rate = 1e-3, int? epochs = null) => new(
        name, method.Rho, options =>
        {
            (options.FineTuning, options.Method, options.BaseOptimizer) = (FineTuning.Gentle, method, new BaseOptimizer.AdamW(rate));
            if (epochs is int given)
                options.Epoch = given;
        });

    /// <summary>The same without moved and mirrored pictures.</summary>
    public static FineTuningVariant GentleUnaugmented(double rho, double rate)
    {
        FineTuningVariant gentle = Gentle(rho, rate);
        return new(gentle.Name + " without augmentation", rho, options =>
        {
            gentle.Apply(options);
            options.Augmentation = Augmentation.None;
        });
    }

    /// <summary>The same with another share of the steps in which the learning rate rises; 0.05 by default.</summary>
    public static FineTuningVariant GentleWarmedUp(double rho, double rate, double share)
    {
        FineTuningVariant gentle = Gentle(rho, rate);
        return new($"{gentle.Name} warm-up {Text.Of(share)}", rho, options =>
        {
            gentle.Apply(options);
            options.Schedule = new LearningRateSchedule.Cosine(share);
        });
    }

    /// <summary>The whole network at once by SGD, as Auto tries it: ten epochs, and a fifth set aside for the temperature.</summary>
    public static FineTuningVariant Full(double rho, double rate, int? batch = null) => new(
        $"full at {Text.Of(rate)}{(batch is int size ? $" in batches of {Text.Of(size)}" : "")}", rho, options =>
        {
            (options.FineTuning, options.Method, options.BaseOptimizer, options.Augmentation, options.Epoch,
                options.ValidationSetFraction) =
                (FineTuning.Full, SharpnessAwareMethod.Csam(rho), new BaseOptimizer.Sgd(rate), Augmentation.None, 10, 0.2);
            options.BatchSize = batch ?? options.BatchSize;
        });

    private static string For(int? epochs) => epochs is int given ? $" for {Text.Of(given)} epochs" : "";
}
