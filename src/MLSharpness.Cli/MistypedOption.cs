using System.CommandLine;
using System.CommandLine.Parsing;

namespace MLSharpness.Cli;

/// <summary>Options that are mistyped: the parser takes them for names, of pictures for example, where several are taken.</summary>
internal static class MistypedOption
{
    /// <summary>What to say of the first; null where there is none. Behind "--" everything is a name.</summary>
    public static string? Find(ParseResult parsed)
    {
        int behind = parsed.Tokens.SkipWhile(token => token.Type != TokenType.DoubleDash).Skip(1).Count();
        IEnumerable<Token> names = parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens)
            .SkipLast(behind);
        IEnumerable<Token> several = ValuesOf(typeof(string[]));
        IEnumerable<Token> single = ValuesOf(typeof(string))
            .Where(token => token.Value.StartsWith("--", StringComparison.Ordinal));        // a file may be called -x
        string? mistyped = names.Concat(several).Concat(single).Select(token => token.Value)
            .FirstOrDefault(name => name.Length > 1 && name[0] == '-' && !Path.Exists(name));
        return mistyped is null ? null
            : $"'{mistyped}' is not an option of {parsed.CommandResult.Command.Name}, and there is no such file. Its --help lists the " +
                $"options; a name that begins with - is written ./{mistyped}.";

        IEnumerable<Token> ValuesOf(Type type) => parsed.CommandResult.Children.OfType<OptionResult>()
            .Where(option => option.Option.ValueType == type).SelectMany(option => option.Tokens);
    }
}
