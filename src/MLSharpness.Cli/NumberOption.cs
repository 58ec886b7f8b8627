using System.CommandLine;

namespace MLSharpness.Cli;

/// <summary>Options whose number lies in a range; another is wrong usage.</summary>
internal static class NumberOption
{
    /// <summary>A whole number, at least <paramref name="least"/>.</summary>
    public static Option<int> AtLeast(int least, string name, string description, int value) =>
        Checked(new Option<int>(name) { Description = description, DefaultValueFactory = _ => value }, number => number >= least,
            $"at least {least}");

    /// <summary>A whole number, at least <paramref name="least"/>; null where it is not given.</summary>
    public static Option<int?> AtLeast(int least, string name, string description) =>
        Checked(new Option<int?>(name) { Description = description }, number => number >= least, $"at least {least}");

    /// <summary>A number, at least <paramref name="least"/>.</summary>
    public static Option<double> AtLeast(double least, string name, string description, double value) =>
        Checked(new Option<double>(name) { Description = description, DefaultValueFactory = _ => value },
            number => number >= least && double.IsFinite(number), $"at least {least}");

    /// <summary>A share between 0 and 1, without the ends.</summary>
    public static Option<double> Share(string name, string description, double value) =>
        Checked(new Option<double>(name) { Description = description, DefaultValueFactory = _ => value }, number => number is > 0 and < 1,
            "greater than 0 and less than 1");

    private static Option<T> Checked<T>(Option<T> option, Func<T, bool> isRight, string range)
    {
        option.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.Tokens.Count > 0 && !isRight(result.GetValueOrDefault<T>()!))
                result.AddError($"{option.Name} must be {range}; it is {result.Tokens[0].Value}.");
        });
        return option;
    }
}
