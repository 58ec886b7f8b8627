using System.CommandLine;
using System.Globalization;

namespace MLSharpness.Cli;

/// <summary>Options whose number lies in a range; another is wrong usage.</summary>
internal static class NumberOption
{
    private const string WithinFloat = "within float32 (3.4e38)";

    /// <summary>A whole number, at least <paramref name="least"/>.</summary>
    public static Option<int> AtLeast(int least, string name, string description, int value) =>
        Checked(new Option<int>(name) { Description = description, DefaultValueFactory = _ => value }, number => number >= least,
            $"at least {least}");

    /// <summary>A whole number, at least <paramref name="least"/>; null where it is not given.</summary>
    public static Option<int?> AtLeast(int least, string name, string description) =>
        Checked(new Option<int?>(name) { Description = description }, number => number >= least, $"at least {least}");

    /// <summary>A whole number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public static Option<int> Between(int least, int most, string name, string description, int value) =>
        Checked(new Option<int>(name) { Description = description, DefaultValueFactory = _ => value },
            number => number >= least && number <= most, $"from {least} to {most}");

    /// <summary>A whole number from <paramref name="least"/> to <paramref name="most"/>; null where it is not given.</summary>
    public static Option<int?> Between(int least, int most, string name, string description) =>
        Checked(new Option<int?>(name) { Description = description }, number => number >= least && number <= most,
            $"from {least} to {most}");

    /// <summary>A number that the network's own can hold (3.4e38), at least 0; null where it is not given.</summary>
    public static Option<double?> NotNegative(string name, string description) =>
        Number(new Option<double?>(name) { Description = description }, number => number is >= 0 and <= float.MaxValue,
            $"at least 0 and {WithinFloat}");

    /// <summary>A number that the network's own can hold (3.4e38), above 0; null where it is not given.</summary>
    public static Option<double?> AboveZero(string name, string description) =>
        Number(new Option<double?>(name) { Description = description }, number => (float)number > 0 && number <= float.MaxValue,
            $"greater than 0 and {WithinFloat}");

    /// <summary>A number from 0 to <paramref name="most"/>.</summary>
    public static Option<double> UpTo(double most, string name, string description, double value) =>
        Number(new Option<double>(name) { Description = description, DefaultValueFactory = _ => value },
            number => number >= 0 && number <= most, $"from 0 to {most}");

    /// <summary>A share between 0 and 1, without the ends.</summary>
    public static Option<double> Share(string name, string description, double value) =>
        Number(new Option<double>(name) { Description = description, DefaultValueFactory = _ => value }, number => number is > 0 and < 1,
            "greater than 0 and less than 1");

    /// <summary>With a point and no commas: what others write as 0,05 would be read as 5.</summary>
    private static Option<T> Number<T>(Option<T> option, Func<double, bool> isRight, string range)
    {
        option.CustomParser = result =>
        {
            string text = result.Tokens.Single().Value;
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
                result.AddError($"{option.Name} must be a number such as 0.05; it is {text}.");
            else if (!isRight(number))
                result.AddError($"{option.Name} must be {range}; it is {text}.");
            return (T)(object)number;
        };
        return option;
    }

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
