namespace MLSharpness.Cli;

/// <summary>Messages of the library whose advice names members of its API, with what the tool has in their place.</summary>
internal static class OwnWords
{
    private static readonly (string OfLibrary, string OfTool)[] Phrases =
    [
        ("Correct or remove them, or set OnBadImage to Skip.", "Correct or remove them."),
        ("Reference a CUDA backend of TorchSharp, or set MLContext.FallbackToCpu.",
            "Leave --device out: the tool's package is for the CPU."),
        ("Update the library", "Update the tool"),
        ("update the library", "update the tool"),
        ("this library reads", "this tool reads"),
        (" Where one trainer is fitted several times (CrossValidate, CrossFitted), leave CheckpointPath null: it is of one training.", ""),
        ("choose another CheckpointPath to begin anew", "give --restart to begin anew"),
        ("Choose another CheckpointPath", "Give --out another name"),
        ("choose another CheckpointPath", "give --out another name"),
    ];

    public static string Of(string message) =>
        Phrases.Aggregate(message, (text, phrase) => text.Replace(phrase.OfLibrary, phrase.OfTool, StringComparison.Ordinal));
}
