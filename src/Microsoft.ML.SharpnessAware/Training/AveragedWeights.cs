namespace Microsoft.ML.SharpnessAware;

/// <summary>The average that <c>Options.WeightAveraging</c> asks for, of what one optimiser changes.</summary>
internal sealed class AveragedWeights : IDisposable
{
    private readonly WeightAverage _average;
    private readonly bool _isExponential;

    public AveragedWeights(WeightAveraging averaging, SharpnessAwareOptimizer optimizer, int epochs, long totalSteps)
    {
        switch (averaging)
        {
            case WeightAveraging.Exponential exponential:
                _isExponential = true;
                _average = WeightAverage.Exponential(optimizer, Math.Max(0, 1 - (1 / (exponential.Share * totalSteps))));
                break;
            case WeightAveraging.Uniform uniform:
                _average = WeightAverage.Uniform(optimizer);
                FirstEpoch = epochs - Math.Max(1, (int)Math.Round(uniform.Share * epochs)) + 1;
                break;
            default:
                throw new ArgumentException($"'{averaging}' is not a known average.", nameof(averaging));
        }
    }

    /// <summary>The first epoch with an average.</summary>
    public int FirstEpoch { get; } = 1;

    public void StepDone()
    {
        if (_isExponential)
            _average.Update();
    }

    public void EpochDone(int epoch)
    {
        if (!_isExponential && epoch >= FirstEpoch)
            _average.Update();
    }

    /// <summary>
    /// Puts the average into the network, with running statistics made by passes over training data, until the result is disposed; null
    /// where there is none yet.
    /// </summary>
    public IDisposable? Apply(Action updateStatistics)
    {
        if (_average.Updates == 0)
            return null;
        IDisposable applied = _average.Apply();
        try
        {
            updateStatistics();
            return applied;
        }
        catch
        {
            applied.Dispose();
            throw;
        }
    }

    public void Write(BinaryWriter writer) => _average.Save(writer);

    /// <exception cref="InvalidDataException">It is not an average of this network's weights.</exception>
    public void Read(BinaryReader reader) => _average.Load(reader);

    public void Dispose() => _average.Dispose();
}
