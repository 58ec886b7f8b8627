namespace Microsoft.ML.SharpnessAware;

/// <summary>Matches two lists of classes by their names: the same classes may stand in another order.</summary>
internal static class ClassOrder
{
    private const int MostNamesShown = 10;

    /// <summary>Finds the classes named <paramref name="names"/> among <paramref name="classes"/>.</summary>
    /// <param name="names">The names to look for: all classes, or some.</param>
    /// <param name="classes">The names of all classes.</param>
    /// <param name="places">The place of each name; null where each stands at its own place, so that nothing is to be reordered.</param>
    /// <returns>Null, or what is wrong as a clause: "has the class 'fox', which is none of 'cat', 'dog'".</returns>
    public static string? Match(IReadOnlyList<string> names, IReadOnlyList<string> classes, out int[]? places)
    {
        places = null;
        if (names.Count <= classes.Count && names.SequenceEqual(classes.Take(names.Count)))
            return null;

        Dictionary<string, int> placeOf = [];
        for (int place = 0; place < classes.Count; place++)
        {
            if (!placeOf.TryAdd(classes[place], place))
                return $"cannot be matched by name, because '{PrintableText.Of(classes[place])}' is the name of two classes";
        }

        int[] found = new int[names.Count];
        HashSet<int> taken = [];
        for (int i = 0; i < found.Length; i++)
        {
            if (!placeOf.TryGetValue(names[i], out found[i]))
                return $"has the class '{PrintableText.Of(names[i])}', which is none of {List(classes)}";
            if (!taken.Add(found[i]))
                return $"has the class '{PrintableText.Of(names[i])}' twice";
        }

        places = found;
        return null;
    }

    private static string List(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(MostNamesShown).Select(name => $"'{PrintableText.Of(name)}'"))
        + (names.Count > MostNamesShown ? $" and {names.Count - MostNamesShown} more" : "");
}
