namespace Microsoft.ML.SharpnessAware;

/// <summary>Prediction sets, and those of them that hold the right class, by that class and by their size.</summary>
internal sealed class SetCounts(int numberOfClasses)
{
    /// <summary>Rows of each class.</summary>
    public long[] OfClass { get; } = new long[numberOfClasses];

    /// <summary>Those whose set holds it.</summary>
    public long[] OfClassCovered { get; } = new long[numberOfClasses];

    /// <summary>Sets of each size, from 0 to all classes.</summary>
    public long[] OfSize { get; } = new long[numberOfClasses + 1];

    /// <summary>Those that hold the right class.</summary>
    public long[] OfSizeCovered { get; } = new long[numberOfClasses + 1];

    public void Add(int label, int size, bool holds, long rows = 1)
    {
        OfClass[label] += rows;
        OfSize[size] += rows;
        if (holds)
        {
            OfClassCovered[label] += rows;
            OfSizeCovered[size] += rows;
        }
    }
}
