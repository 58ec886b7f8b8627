namespace Microsoft.ML.SharpnessAware;

/// <summary>Where the numbers of a row lie in an <see cref="OutcomeCell"/>.</summary>
internal static class RowNumber
{
    public const int Confidence = 0;
    public const int LogLoss = 1;
    public const int BrierScore = 2;
    public const int Entropy = 3;
}
