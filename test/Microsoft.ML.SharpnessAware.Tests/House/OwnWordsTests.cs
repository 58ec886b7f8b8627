using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using MLSharpness.Cli;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The library's messages in the words of the tool.</summary>
[TestClass]
public sealed class OwnWordsTests
{
    // What stands where a message has a value.
    private const char Hole = '\0';

    [TestMethod]
    public void EachPhraseIsOneThatTheLibrarySays()
    {
        string[] texts = [.. Directory.GetDirectories(Path.Combine(Repository.Root, "src"), "Microsoft.ML.*")
            .SelectMany(package => Directory.EnumerateFiles(package, "*.cs", SearchOption.AllDirectories))
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"))
            .SelectMany(file => Texts(CSharpSyntaxTree.ParseText(File.ReadAllText(file)).GetRoot()))];
        foreach ((string ofLibrary, _) in OwnWords.Phrases)
            Assert.IsTrue(texts.Any(text => text.Contains(ofLibrary, StringComparison.Ordinal)), $"No message has '{ofLibrary}'.");
    }

    [TestMethod]
    public void EachOptionIsOneOfTheTrainer()
    {
        foreach (string option in OwnWords.Options.Keys)
            Assert.IsNotNull(typeof(Options).GetProperty(option), option);
    }

    [TestMethod]
    [DataRow("Method has the radius ρ = 0.05, which suits: leave Method unset, or give it ρ = 0.01.",
        "--rho is 0.05, which suits: leave it out, or give --rho 0.01.")]
    [DataRow("Method, LearningRate, Epoch: of no effect on the head, which is Epoch.",
        "--method, --learning-rate, --epochs: of no effect on the head, which is Epoch.")]
    [DataRow("The checkpoint is of another training: Epoch was 3, now 4; Method was Epoch was. Restore these, or choose another " +
        "CheckpointPath to begin anew.",
        "The checkpoint is of another training: --epochs was 3, now 4; --method was Epoch was. Restore these, or give --restart to begin " +
        "anew.")]
    [DataRow("'Epoch/Method, Arch.png' is truncated.", "'Epoch/Method, Arch.png' is truncated.")]
    public void AdviceNamesOptionsOfTheTool(string ofLibrary, string ofTool) => Assert.AreEqual(ofTool, OwnWords.Of(ofLibrary));

    [TestMethod]
    public void AnErrorNamesNoParameter() => Assert.AreEqual(
        "--device is 'gpu'; it must be 'cpu', 'cuda' or 'cuda:N', or left out to choose automatically.",
        OwnWords.Of(Assert.ThrowsExactly<ArgumentException>(() => ComputeDevice.CheckName("gpu"))));

    /// <summary>The texts of a file, those that are put together of several in one piece.</summary>
    private static IEnumerable<string> Texts(SyntaxNode root) => root.DescendantNodes().OfType<ExpressionSyntax>()
        .Where(expression => expression is BinaryExpressionSyntax or LiteralExpressionSyntax or InterpolatedStringExpressionSyntax)
        .Select(Text);

    private static string Text(ExpressionSyntax expression) => expression switch
    {
        LiteralExpressionSyntax { Token.Value: string text } => text,
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.AddExpression } sum => Text(sum.Left) + Text(sum.Right),
        ParenthesizedExpressionSyntax inner => Text(inner.Expression),
        InterpolatedStringExpressionSyntax interpolated => string.Concat(interpolated.Contents.Select(part => part switch
        {
            InterpolatedStringTextSyntax text => text.TextToken.ValueText,
            InterpolationSyntax value => Text(value.Expression),
            _ => $"{Hole}",
        })),
        InvocationExpressionSyntax { Expression: IdentifierNameSyntax { Identifier.Text: "nameof" } } name =>
            name.ArgumentList.Arguments[0].Expression.DescendantNodesAndSelf().OfType<IdentifierNameSyntax>().Last().Identifier.Text,
        InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "TrimEnd" } trimmed } =>
            Text(trimmed.Expression),
        // string.Create(CultureInfo.InvariantCulture, $"…")
        InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "Create" } } created =>
            Text(created.ArgumentList.Arguments[^1].Expression),
        _ => $"{Hole}",
    };
}
