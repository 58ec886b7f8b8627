namespace Microsoft.ML.SharpnessAware;

/// <summary>Errors in rows of the validation set say that they are its: the columns and the numbers of rows are those of the training data,
/// too.</summary>
internal static class ValidationSetErrors
{
    public const string Prefix = "ValidationSet: ";

    /// <summary>What is read; an error about its data gets the prefix, and is the inner exception.</summary>
    /// <exception cref="InvalidOperationException">A row cannot be used, or there is none.</exception>
    public static T Name<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException e) when (e.GetType() == typeof(InvalidOperationException))
        {
            throw new InvalidOperationException(Prefix + e.Message, e);
        }
    }
}
