using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Docs;

/// <summary>Every code block of docs/your-own-loop.md is a program that compiles and runs.</summary>
[TestClass]
public sealed class YourOwnLoopPageTests
{
    // What a console project has by itself.
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly string[] Blocks =
        [.. Regex.Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "your-own-loop.md")), "```csharp\n(.*?)```",
            RegexOptions.Singleline)
            .Select(match => match.Groups[1].Value)];

    public static IEnumerable<object[]> Places => Enumerable.Range(0, Blocks.Length).Select(i => new object[] { i });

    [TestMethod]
    public void ThePageHasItsPrograms() => Assert.HasCount(12, Blocks);

    [TestMethod]
    [DynamicData(nameof(Places))]
    public void TheProgramRuns(int place)
    {
        Assembly program = Compile(Blocks[place], $"your-own-loop-{place}");
        TextWriter console = Console.Out;
        using var output = new StringWriter();
        using (NewDisposeScope())
        {
            Console.SetOut(output);
            try
            {
                program.EntryPoint!.Invoke(null, program.EntryPoint.GetParameters().Length == 0 ? [] : [Array.Empty<string>()]);
            }
            finally
            {
                Console.SetOut(console);
            }
        }
        Assert.DoesNotContain("NaN", output.ToString());
        Assert.AreNotEqual("", output.ToString());
    }

    private static Assembly Compile(string code, string name)
    {
        string[] references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator);
        var compilation = CSharpCompilation.Create(
            name,
            [CSharpSyntaxTree.ParseText(ImplicitUsings), CSharpSyntaxTree.ParseText(code)],
            references.Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        using var stream = new MemoryStream();
        var result = compilation.Emit(stream);
        Assert.IsTrue(result.Success, string.Join(Environment.NewLine,
            result.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning)));
        return Assembly.Load(stream.ToArray());
    }
}
