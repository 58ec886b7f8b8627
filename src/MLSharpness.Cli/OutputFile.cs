using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>Files that a command will write at its end, tried at its beginning.</summary>
internal static class OutputFile
{
    // The longest name that the trainer gives to a checkpoint: of the one before the last.
    private static readonly string[] BesideCheckpoint = [".previous"];

    /// <summary>The full path of a file that can be written.</summary>
    /// <param name="path">As it was given; folders that are missing are made.</param>
    /// <param name="option">The option to name in an error.</param>
    /// <param name="example">The name of such a file, for who has given a folder; null for the checkpoint, whose name is not the
    /// user's.</param>
    /// <param name="inputs">The files that the command reads, which it must not write over; null stands for none.</param>
    /// <exception cref="IOException">It is a folder, a device or a pipe, or what the command reads, or nothing can be written
    /// there.</exception>
    public static string Check(string path, string option, string? example, params string?[] inputs)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new IOException($"{option} needs the name of a file.");
        string full = Path.GetFullPath(path);
        if (Directory.Exists(full) || Path.EndsInDirectorySeparator(full))
            throw new IOException($"{option} '{path}' is a folder. " + (example is null ? "Move it, or give --out another name."
                : $"Give the name of a file in it, for example '{Path.Combine(path, example)}'."));
        if (inputs.OfType<string>().FirstOrDefault(input => AreSame(input, full)) is string same)
            throw Overwrites(path, option, same);
        try
        {
            AtomicFile.CheckWritable(full, example is null ? BesideCheckpoint : []);
        }
        catch (IOException exception)
        {
            Exception cause = exception.InnerException ?? exception;
            throw new IOException($"{option} '{path}' cannot be written: {cause.Message}" +
                (cause is PathTooLongException ? $" Give {Named(option)} a shorter name." : ""), exception);
        }

        return full;
    }

    /// <summary>Checks that no picture is written over.</summary>
    /// <param name="path">A file to write, as it was given.</param>
    /// <param name="option">The option to name in an error.</param>
    /// <param name="images">The pictures.</param>
    /// <exception cref="IOException">It is one of them.</exception>
    public static void CheckIsNoPicture(string path, string option, IDataView images)
    {
        if (!File.Exists(path))
            return;
        string[] names = [Path.GetFileName(path), Path.GetFileName(RealPath.Of(path) ?? path)];
        string? same = images.GetColumn<string>("ImagePath").FirstOrDefault(image =>
            names.Contains(Path.GetFileName(image), RealPath.Comparer) && AreSame(image, path));
        if (same is not null)
            throw Overwrites(path, option, same);
    }

    private static bool AreSame(string one, string other) =>
        RealPath.Of(one) is string real && RealPath.Comparer.Equals(real, RealPath.Of(other));

    private static IOException Overwrites(string path, string option, string input) => new(
        $"{option} '{path}' is the file '{input}', which is read: it would be overwritten. Give " +
        $"{Named(option)} another name.");

    // The checkpoint's name is the model's, and more.
    private static string Named(string option) => option.StartsWith('-') ? option : "--out";
}
