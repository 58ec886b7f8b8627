using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Texts that stay what they are, whatever becomes of the memory that they were read from.</summary>
internal static class LastingText
{
    /// <summary>The text itself where it is part of a string, which nobody can write to; else a copy.</summary>
    public static ReadOnlyMemory<char> Of(ReadOnlyMemory<char> text) =>
        text.IsEmpty || MemoryMarshal.TryGetString(text, out _, out _, out _) ? text : text.ToString().AsMemory();

    /// <summary>The length in bytes of a value that is a text; 0 for others.</summary>
    public static long Bytes<T>(T value) => value is ReadOnlyMemory<char> text ? (long)text.Length * sizeof(char) : 0;
}
