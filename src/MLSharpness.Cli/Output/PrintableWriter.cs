using System.Text;

namespace MLSharpness.Cli;

/// <summary>What the parser of the command line says of arguments, help and names like them included, made fit for a
/// terminal.</summary>
internal sealed class PrintableWriter(TextWriter inner) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => inner.Write(value is '\n' or '\r' ? $"{value}" : Printable.Of($"{value}"));

    public override void Write(string? value) => inner.Write(Printable.Lines(value ?? ""));

    public override void WriteLine(string? value) => inner.WriteLine(Printable.Lines(value ?? ""));

    public override void Flush() => inner.Flush();
}
