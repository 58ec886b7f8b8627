namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>The columns by which tests put rows in groups and clusters.</summary>
internal abstract class GroupedRow
{
    public string Text { get; set; } = "x";

    public int Number { get; set; }

    public float Real { get; set; }

    public bool Flag { get; set; }

    public DateTime Date { get; set; }

    /// <summary>Sets the columns of each type after <see cref="Number"/>, of which −1 is no number.</summary>
    public void SetAll()
    {
        Real = Number < 0 ? float.NaN : Number;
        Flag = Number > 2;
        Date = new DateTime(2024, 1, 1 + Math.Max(0, Number));
    }
}
