using System.Globalization;
using static System.FormattableString;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The fingerprint as checkpoints of version 1 have it: the texts that settings had then, in invariant culture, and the path of the initial
/// weights. Only for comparison with such files.
/// </summary>
internal static class Version1Fingerprint
{
    // The settings that version 1 had. What a setting of theirs has got since must be at its default.
    private static readonly string[] Names =
    [
        "Method", "Method.Rho", "Method.Adaptive", "Method.NormalizeAscent", "Method.Renormalize", "Method.Gamma", "Arch",
        "BatchSize", "Epoch", "BaseOptimizer", "BaseOptimizer.LearningRate", "BaseOptimizer.DecayBiasAndNorm",
        "BaseOptimizer.Momentum", "BaseOptimizer.WeightDecay", "BaseOptimizer.Nesterov", "BaseOptimizer.Beta1",
        "BaseOptimizer.Beta2", "BaseOptimizer.Epsilon", "Schedule", "Schedule.WarmupFraction", "Schedule.FinalFraction",
        "MaxGradientNorm", "EarlyStoppingCriteria", "EarlyStoppingCriteria.Patience", "EarlyStoppingCriteria.MinDelta",
        "EarlyStoppingCriteria.Metric", "FreezeBackbone", "FreezeEpochs", "BackboneLearningRateFactor", "OnDivergence",
    ];

    // These had texts of their own, which tell all that they hold.
    private static readonly string[] Whole = ["Loss", "Augmentation", "Normalization"];

    /// <summary>Whether version 1 had the setting.</summary>
    public static bool Covers(string name) => Names.Contains(name) || Whole.Contains(name.Split('.', '[')[0]);

    public static IEnumerable<(string Name, string Value)> Of(
        SharpnessAwareImageClassificationTrainer.Options options, TrainingImages images, int seed, string trainingHash,
        string validationHash)
    {
        SharpnessAwareMethod method = options.Method;
        ImageShape shape = images.Training.Shape;
        return
        [
            Field(nameof(options.Method),
                Invariant($"({method.Rho}, {method.Adaptive}, {method.NormalizeAscent}, {method.Renormalize}, {method.Gamma})")),
            Field(nameof(options.Arch), options.Arch),
            Field(nameof(options.BatchSize), options.BatchSize),
            Field(nameof(options.Epoch), options.Epoch),
            Field(nameof(options.BaseOptimizer), Text(options.EffectiveBaseOptimizer)),
            Field(nameof(options.Schedule), Text(options.Schedule)),
            Field(nameof(options.Loss), Text(options.Loss)),
            Field(nameof(options.Augmentation), options.Augmentation),
            Field(nameof(options.Normalization), options.Normalization),
            Field(nameof(options.MaxGradientNorm), options.MaxGradientNorm),
            Field(nameof(options.EarlyStoppingCriteria), options.EarlyStoppingCriteria is { } early
                ? Invariant($"EarlyStopping {{ Patience = {early.Patience}, MinDelta = {early.MinDelta}, Metric = {early.Metric} }}")
                : null),
            Field(nameof(options.InitialWeights), options.InitialWeights),
            Field(nameof(options.FreezeBackbone), options.FreezeBackbone),
            Field(nameof(options.FreezeEpochs), options.FreezeEpochs),
            Field(nameof(options.BackboneLearningRateFactor), options.BackboneLearningRateFactor),
            Field(nameof(options.OnDivergence), options.OnDivergence),
            Field(nameof(options.Device), options.Device),
            Field(nameof(options.Seed), seed),
            Field("training images", string.Create(CultureInfo.InvariantCulture,
                $"{images.Training.Count} of ImageShape {{ Channels = {shape.Channels}, Height = {shape.Height}, " +
                $"Width = {shape.Width}, ValueCount = {shape.ValueCount} }}, SHA-256 {trainingHash}")),
            Field("validation images", images.Validation is ImageDataset validation
                ? Invariant($"{validation.Count}, SHA-256 {validationHash}")
                : null),
        ];
    }

    private static (string Name, string Value) Field(string name, object? value) => (name, value switch
    {
        null => "none",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    });

    private static string Text(BaseOptimizer optimizer) => optimizer switch
    {
        BaseOptimizer.Sgd sgd =>
            string.Create(CultureInfo.InvariantCulture,
                $"Sgd {{ LearningRate = {sgd.LearningRate}, DecayBiasAndNorm = {sgd.DecayBiasAndNorm}, Nesterov = {sgd.Nesterov}, " +
                $"Momentum = {sgd.Momentum}, WeightDecay = {sgd.WeightDecay} }}"),
        BaseOptimizer.AdamW adam =>
            string.Create(CultureInfo.InvariantCulture,
                $"AdamW {{ LearningRate = {adam.LearningRate}, DecayBiasAndNorm = {adam.DecayBiasAndNorm}, Beta1 = {adam.Beta1}, " +
                $"Beta2 = {adam.Beta2}, Epsilon = {adam.Epsilon}, WeightDecay = {adam.WeightDecay} }}"),
        _ => optimizer.ToString(),
    };

    private static string Text(LearningRateSchedule schedule) => schedule switch
    {
        LearningRateSchedule.Constant => "Constant { }",
        LearningRateSchedule.Cosine cosine =>
            Invariant($"Cosine {{ WarmupFraction = {cosine.WarmupFraction}, FinalFraction = {cosine.FinalFraction} }}"),
        _ => schedule.ToString(),
    };

    private static string Text(ClassificationLoss loss) => loss switch
    {
        ClassificationLoss.CrossEntropy entropy => Invariant($"CrossEntropy {{ LabelSmoothing = {entropy.LabelSmoothing} }}"),
        ClassificationLoss.Focal focal => Invariant($"Focal {{ Gamma = {focal.Gamma} }}"),
        _ => loss.ToString(),     // one's own; its text is of the culture that it is asked in
    };}
