using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Microsoft.ML.SharpnessAware.Tests.Docs;

/// <summary>Code blocks of a page of docs, compiled and run as a reader would.</summary>
internal static class PageProgram
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

    /// <summary>The blocks of a page, whose path is from the folder docs.</summary>
    public static string[] Blocks(string page) =>
        [.. Regex.Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", page)), "```csharp\n(.*?)```", RegexOptions.Singleline)
            .Select(match => match.Groups[1].Value)];

    /// <summary>Runs the program and returns what it wrote to the console.</summary>
    /// <param name="name">A name for the assembly.</param>
    /// <param name="code">The program, and files beside it.</param>
    public static string Run(string name, params string[] code)
    {
        MethodInfo main = Compile(name, code).EntryPoint!;
        TextWriter console = Console.Out;
        using var output = new StringWriter();
        Console.SetOut(output);
        try
        {
            main.Invoke(null, main.GetParameters().Length == 0 ? [] : [Array.Empty<string>()]);
        }
        finally
        {
            Console.SetOut(console);
        }

        return output.ToString();
    }

    /// <summary>Compiles the program.</summary>
    /// <param name="name">A name for the assembly.</param>
    /// <param name="code">The program, and files beside it.</param>
    public static Assembly Compile(string name, params string[] code)
    {
        string[] references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator);
        var compilation = CSharpCompilation.Create(
            name,
            code.Prepend(ImplicitUsings).Select(text => CSharpSyntaxTree.ParseText(text)),
            references.Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        using var stream = new MemoryStream();
        var result = compilation.Emit(stream);
        Assert.IsTrue(result.Success, string.Join(Environment.NewLine,
            result.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning)));
        return Assembly.Load(stream.ToArray());
    }
}
