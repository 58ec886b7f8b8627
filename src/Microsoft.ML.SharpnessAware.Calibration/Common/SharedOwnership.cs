namespace Microsoft.ML.SharpnessAware;

/// <summary>Counts the owners of something that the last of them frees; they may come and go on several threads at once. The first one is
/// counted already.</summary>
/// <param name="name">What the error says is disposed.</param>
internal sealed class SharedOwnership(string name)
{
    private int _owners = 1;

    /// <summary>One owner more.</summary>
    /// <exception cref="ObjectDisposedException">The last owner has gone.</exception>
    public void Add()
    {
        int owners = Volatile.Read(ref _owners);
        while (owners > 0)
        {
            int found = Interlocked.CompareExchange(ref _owners, owners + 1, owners);
            if (found == owners)
                return;
            owners = found;
        }

        throw new ObjectDisposedException(name);
    }

    /// <summary>One owner less; whether it was the last.</summary>
    public bool Release() => Interlocked.Decrement(ref _owners) == 0;
}
