namespace MLSharpness.Evidence.Summary;

/// <summary>A column of the results as it is shown: percentages with one or two decimals, losses with three.</summary>
internal sealed record Measure(string Column, string Title, double Factor, int Decimals)
{
    public static readonly Measure Accuracy = new("accuracy", "Accuracy %", 100, 1);
    public static readonly Measure Ece = new("ece", "ECE %", 100, 2);
    public static readonly Measure AdaEce = new("adaece", "AdaECE %", 100, 2);
    public static readonly Measure ClasswiseEce = new("cwece", "Classwise ECE %", 100, 2);
    public static readonly Measure Tce = new("tce", "TCE %", 100, 2);
    public static readonly Measure LogLoss = new("log_loss", "Log loss", 1, 3);
    public static readonly Measure Brier = new("brier", "Brier", 1, 3);
    public static readonly Measure Temperature = new("temperature", "T", 1, 2);
    public static readonly Measure ScaledLogLoss = new("ts_log_loss", "Log loss at T", 1, 3);

    public static readonly Measure Epoch = new("epoch", "Epoch", 1, 1);

    public static readonly Measure TrainLoss = new("train_loss", "Training loss", 1, 3);
    public static readonly Measure Minutes = new("train_seconds", "Minutes", 1.0 / 60, 0);

    public static readonly Measure[] All = [Accuracy, Ece, AdaEce, ClasswiseEce, Tce, LogLoss, Brier, Temperature, ScaledLogLoss];

    public static readonly Measure[] Main = [Accuracy, Ece, Tce, LogLoss, ScaledLogLoss];
}
