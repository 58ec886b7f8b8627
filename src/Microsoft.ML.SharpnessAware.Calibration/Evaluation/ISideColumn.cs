namespace Microsoft.ML.SharpnessAware;

/// <summary>Another column that is read along with labels and scores, in the same pass.</summary>
internal interface ISideColumn
{
    /// <summary>The column that a cursor must have active.</summary>
    DataViewSchema.Column Column { get; }

    /// <summary>Makes a function that gives, of the row where the cursor is and its class counted from 0, what the column says of it as a
    /// number.</summary>
    Func<int, int> Open(DataViewRow row);
}
