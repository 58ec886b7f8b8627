namespace MLSharpness.Cli;

/// <summary>Paths of the same pictures in two places, such as two machines or checkouts.</summary>
internal static class PicturePaths
{
    // The folder of the class, and the name of the file.
    private const int LeastParts = 2;

    /// <summary>
    /// The first row whose paths do not stand for the same picture; null where there is none. They do where they are equal but for a
    /// beginning that is the same in all rows of a file.
    /// </summary>
    public static int? FirstDifference(IEnumerable<string> first, IEnumerable<string> second)
    {
        string[]? ofFirst = null, ofSecond = null;
        int row = 0;
        foreach ((string[] one, string[] other) in first.Select(Parts).Zip(second.Select(Parts)))
        {
            if (ofFirst is null || ofSecond is null)
                (ofFirst, ofSecond) = Beginnings(one, other);

            if (!(StartsWith(one, ofFirst) && StartsWith(other, ofSecond)))
                return row;
            ReadOnlySpan<string> rest = one.AsSpan(ofFirst.Length);
            if (!rest.SequenceEqual(other.AsSpan(ofSecond.Length)) || (rest.Length < LeastParts && !one.SequenceEqual(other)))
                return row;
            row++;
        }

        return null;
    }

    /// <summary>What the paths of the first row begin with, of which <see cref="FirstDifference"/> makes nothing; null where that is
    /// nothing.</summary>
    public static (string First, string Second)? Places(string first, string second)
    {
        (string[] ofFirst, string[] ofSecond) = Beginnings(Parts(first), Parts(second));
        return ofFirst.Length + ofSecond.Length == 0 ? null : (Place(first, ofFirst), Place(second, ofSecond));

        // As the file spells it.
        static string Place(string path, string[] beginning) => beginning switch
        {
            [] => ".",
            [""] => "/",
            _ => path[..string.Join('/', beginning).Length],
        };
    }

    private static (string[] First, string[] Second) Beginnings(string[] one, string[] other)
    {
        int same = one.Reverse().Zip(other.Reverse()).TakeWhile(pair => pair.First == pair.Second).Count();
        return (one[..^same], other[..^same]);
    }

    private static string[] Parts(string path) => path.Replace('\\', '/').Split('/');

    private static bool StartsWith(string[] path, string[] beginning) =>
        path.Length >= beginning.Length && path.AsSpan(0, beginning.Length).SequenceEqual(beginning);
}
