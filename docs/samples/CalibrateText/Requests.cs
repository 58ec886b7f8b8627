namespace CalibrateText;

/// <summary>
/// Sentences to run the sample without data of one's own: requests to three departments of a shop. One in five could be for any of them, so
/// that no model can be sure of all.
/// </summary>
internal static class Requests
{
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
