namespace MLSharpness.Cli;

/// <summary>Student's t distribution.</summary>
internal static class StudentT
{
    private static readonly double[] _table =
    [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    ];

    /// <summary>The 97.5 % quantile: half the width of a 95 % interval in standard errors. Beyond the table to three digits.</summary>
    public static double Quantile975(int degreesOfFreedom) =>
        degreesOfFreedom <= _table.Length ? _table[degreesOfFreedom - 1] : 1.96 + 2.4 / degreesOfFreedom + 3.0 / (degreesOfFreedom * degreesOfFreedom);
}
