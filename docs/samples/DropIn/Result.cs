namespace DropInSample;

/// <summary>What one side gave on one drawing of pictures: accuracy and ECE in percent (and the ECE of <see cref="CalibratedModel"/>), the
/// time to fit in seconds.</summary>
internal sealed record Result(int Each, string Side, double Accuracy, double Ece, double EceByChance, double LogLoss, double Seconds);
