namespace Microsoft.ML.SharpnessAware;

/// <summary>Checks the shape of row-major values [rows × classes] with one label a row.</summary>
internal static class LabelledRows
{
    public static void Check(int numberOfValues, ReadOnlySpan<int> labels, int numberOfClasses, string valuesName)
    {
        if (numberOfClasses < 2)
            throw new ArgumentOutOfRangeException(nameof(numberOfClasses), numberOfClasses, "There must be at least 2 classes.");
        if (labels.IsEmpty)
            throw new ArgumentException("There are no rows.", nameof(labels));
        long needed = (long)labels.Length * numberOfClasses;
        if (numberOfValues != needed)
            throw new ArgumentException($"{labels.Length} labels of {numberOfClasses} classes need {needed} {valuesName}, "
                + $"but there are {numberOfValues}.", valuesName);
        for (int row = 0; row < labels.Length; row++)
        {
            if (labels[row] < 0 || labels[row] >= numberOfClasses)
                throw new ArgumentOutOfRangeException(nameof(labels), labels[row],
                    $"The label of row {row} (counted from 0) must lie in [0, {numberOfClasses - 1}].");
        }
    }
}
