namespace MLSharpness.Evidence.Experiments;

/// <summary>A question, and the runs that answer it.</summary>
internal abstract class Experiment
{
    /// <summary>The name on the command line and of the CSV file.</summary>
    public abstract string Name { get; }

    /// <summary>The data and networks that it is done with where none are named.</summary>
    public abstract IReadOnlyList<Setting> DefaultSettings { get; }

    /// <summary>Does what is not in the results yet.</summary>
    public abstract void Run(Laboratory laboratory, IReadOnlyList<Setting> settings);
}
