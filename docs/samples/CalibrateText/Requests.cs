namespace CalibrateText;

/// <summary>
/// Sentences to run the sample without data of one's own: requests to three departments of a shop. One in five could be for any of them, so
/// that no model can be sure of all.
/// </summary>
internal static class Requests
{
    /// <summary>A sixth of them, one text, is the smallest part.</summary>
    public const int Fewest = 6;

    private static readonly Dictionary<string, string[]> Subjects = new()
    {
        ["billing"] = ["the invoice", "my refund", "the payment", "a second charge", "the price"],
        ["delivery"] = ["the parcel", "my shipment", "the courier", "the tracking number", "the address"],
        ["support"] = ["the screen", "my password", "the update", "a broken button", "the battery"],
    };

    private static readonly string[] Unclear = ["my order", "the purchase", "the last message"];

    private static readonly string[] Openings = ["hello ,", "please help ,", "good morning ,", "urgent :", ""];

    private static readonly string[] Endings =
        ["is wrong", "has not arrived", "does not work", "is still missing", "was promised for today", "is not what i asked for"];

    /// <summary>The requests of a file, shuffled, as a file may be sorted: label, tab, text on each line that is not blank.</summary>
    /// <exception cref="InvalidDataException">It is a folder, a line has no tab, or there are too few.</exception>
    public static IReadOnlyList<Request> Read(string path, int seed)
    {
        if (Directory.Exists(path))
            throw new InvalidDataException($"'{path}' is a folder. Give a file of texts.");
        Request[] requests =
        [
            .. File.ReadLines(path).Select((line, i) => (Line: line, Number: i + 1)).Where(row => !string.IsNullOrWhiteSpace(row.Line))
                .Select(row => row.Line.Split('\t', 2) is [var label, var text]
                    ? new Request { Label = label, Text = text }
                    : throw new InvalidDataException($"'{path}', line {row.Number}: there is no tab between a label and a text.")),
        ];
        if (requests.Length < Fewest)
            throw new InvalidDataException($"'{path}' has {requests.Length} texts. Give at least {Fewest}.");
        new Random(seed).Shuffle(requests);
        return requests;
    }

    /// <summary>The requests of a seed.</summary>
    public static IReadOnlyList<Request> Draw(int count, int seed)
    {
        var random = new Random(seed);
        string[] departments = [.. Subjects.Keys.Order(StringComparer.Ordinal)];
        T Pick<T>(T[] choices) => choices[random.Next(choices.Length)];
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            string department = Pick(departments);
            string subject = random.Next(5) == 0 ? Pick(Unclear) : Pick(Subjects[department]);
            return new Request { Label = department, Text = $"{Pick(Openings)} {subject} {Pick(Endings)}".Trim() };
        })];
    }
}
