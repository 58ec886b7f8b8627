namespace Microsoft.ML.SharpnessAware;

/// <summary>What changes W by G at the end of a step, with its learning rate and its state.</summary>
internal abstract class UpdateRule : IDisposable
{
    /// <summary>The rule's name in saved state.</summary>
    public abstract string Name { get; }

    public abstract double LearningRate { get; set; }

    /// <summary>Changes W by G, which may be overwritten, where a parameter has a gradient. Called without gradient recording, inside a
    /// dispose scope.</summary>
    public abstract void Apply();

    /// <exception cref="NotSupportedException">The rule's state cannot be saved.</exception>
    public virtual void CheckCanSave()
    {
    }

    public abstract void Save(BinaryWriter writer);

    /// <summary>
    /// Reads what <see cref="Save"/> wrote and returns what puts it into effect, so that a file that is not whole changes nothing. By then
    /// <see cref="LearningRate"/> has been set to what was saved beside it.
    /// </summary>
    /// <param name="reader">Where to read.</param>
    /// <param name="isChecked">Whether what has no checks of its own has a checksum; false in earlier versions.</param>
    public abstract Action Load(BinaryReader reader, bool isChecked);

    public abstract void Dispose();
}
