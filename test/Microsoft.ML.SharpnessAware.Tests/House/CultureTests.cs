using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.SharpnessAware.Tests.House;

/// <summary>Messages, logs and files have the same numbers in every country. The tool sets the invariant culture, so it may write them
/// plainly.</summary>
[TestClass]
public sealed class CultureTests
{
    // What formats an interpolated string in the invariant culture.
    private static readonly string[] Invariant = ["Invariant", "Create", "Append", "AppendLine", "Number"];

    [TestMethod]
    public void NoNumberOfTheLibraryIsFormattedByTheCultureOfTheApplication()
    {
        string[] found =
        [
            .. from file in Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
               where !file.Contains("MLSharpness.Cli") && !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}")
               from text in CSharpSyntaxTree.ParseText(File.ReadAllText(file)).GetRoot().DescendantNodes()
                   .OfType<InterpolatedStringExpressionSyntax>()
               where text.Contents.OfType<InterpolationSyntax>().Any(HasFormatOfNumber) && !IsInvariant(text)
               select $"{Path.GetRelativePath(Repository.Root, file)}: {text}",
        ];
        Assert.IsEmpty(found, string.Join('\n', found));
    }

    [TestMethod]
    [DataRow("""Log($"{loss:F3}");""", true)]
    [DataRow("""Log("a" + $"b {loss:0.##}");""", true)]
    [DataRow("""Log(Invariant($"{loss:F3}"));""", false)]
    [DataRow("""Log(string.Create(CultureInfo.InvariantCulture, $"{loss:F3}" + $"{loss:P1}"));""", false)]
    [DataRow("""Log($"{loss}, {time:mm\\:ss}");""", false)]
    public void WhatFollowsTheCultureIsFound(string code, bool follows)
    {
        InterpolatedStringExpressionSyntax text = CSharpSyntaxTree.ParseText(code).GetRoot().DescendantNodes()
            .OfType<InterpolatedStringExpressionSyntax>().First();
        Assert.AreEqual(follows, text.Contents.OfType<InterpolationSyntax>().Any(HasFormatOfNumber) && !IsInvariant(text));
    }

    private static bool HasFormatOfNumber(InterpolationSyntax interpolation) =>
        interpolation.FormatClause?.FormatStringToken.ValueText is [var first, ..] && "EFGNPR0#+".Contains(first);

    // Inside of a sum of strings, parentheses and choices, as an argument of something that formats so.
    private static bool IsInvariant(SyntaxNode node) => node.Ancestors()
        .TakeWhile(outer => outer is ExpressionSyntax or ArgumentSyntax or ArgumentListSyntax)
        .OfType<InvocationExpressionSyntax>()
        .Any(call => Invariant.Contains(call.Expression switch
        {
            MemberAccessExpressionSyntax member => member.Name.Identifier.ValueText,
            IdentifierNameSyntax name => name.Identifier.ValueText,
            _ => "",
        }));
}
