using System.Text.RegularExpressions;

namespace MLSharpness.Cli;

/// <summary>Messages of the library whose advice names members of its API, with what the tool has in their place.</summary>
internal static partial class OwnWords
{
    /// <summary>What the library says, and the tool instead.</summary>
    public static IReadOnlyList<(string OfLibrary, string OfTool)> Phrases { get; } =
    [
        ("Correct or remove them, or set OnBadImage to Skip.", "Correct or remove them."),
        ("Reference a CUDA backend of TorchSharp, or set MLContext.FallbackToCpu.",
            "Leave --device out: the tool's package is for the CPU."),
        ("Add one backend package to the application: ",
            "The tool's package has it for the system that it was packed on; an application of your own takes a package: "),
        ("Device is '", "--device is '"),
        ("or null to choose automatically", "or left out to choose automatically"),
        ("Update the library", "Update the tool"),
        ("update the library", "update the tool"),
        ("this library reads", "this tool reads"),
        (" Where one trainer is fitted several times (CrossValidate, CrossFitted), leave CheckpointPath null: it is of one training.", ""),
        ("choose another CheckpointPath to begin anew", "give --restart to begin anew"),
        ("CheckpointPath: another training", "Another training"),
        ("or give this one another path", "or give --out another name"),
        ("Choose another CheckpointPath", "Give --out another name"),
        ("choose another CheckpointPath", "give --out another name"),
        ("Sharding is not the same for all processes", "--sharding is not the same for all processes"),
        (", unless labelFrom says otherwise", ""),
        ("; ImageChannels = 1 makes all of them grey", ""),
        ("as ImageChannels or the images that the model is trained on ask for",
            "as the weights or the images that the model is trained on ask for"),
        ("Set ImageWidth and ImageHeight", "Give --size"),
        ("set ImageWidth and ImageHeight to the size", "give --size, the size"),
        (" as Arch, or a larger ImageWidth and ImageHeight", " by --arch, or a larger --size"),
        ("set ImageWidth and ImageHeight", "give --size"),
        ("Set Arch to the network that they are of.", "Give --arch the network that they are of."),
        (": set Arch to NetworkArchitecture.MLNetResNet18", ": leave --arch out"),
        (": set Arch to it.", ": give --arch its name."),
        (", and Arch is '", ", and --arch is '"),
        ("(Options.InitialWeights)", "(--weights)"),
        (" Set Normalization where its publisher says otherwise.", ""),
        (" Give a ValidationSet or a ValidationSetFraction, or set Calibration to None.", " Give more images to train on."),
        (" ValidationSet and ValidationSetFraction choose how many of them to validate on.", ""),
        ("Set FineTuning to Full for one training of the whole network that does.",
            "Give --fine-tuning Full for one training of the whole network that does."),
        ("after it (FineTuning, TimeBudget).", "after it (--fine-tuning, --time-budget)."),
        ("or set FineTuning to Full, which", "or give --fine-tuning Full, which"),
        ("is frozen and FineTuning is Full", "is frozen and --fine-tuning is Full"),
        ("With FineTuning ", "With --fine-tuning "),
        ("Leave ProcessGroup null, or set FineTuning to Full for", "Start one process alone, or give --fine-tuning Full for"),
        ("worth trying within TimeBudget (", "worth trying within --time-budget ("),
        ("TimeBudget is used up", "--time-budget is used up"),
        ("so that TimeBudget allows", "so that --time-budget allows"),
        ("Method has the radius ρ = ", "--rho is "),
        (": leave Method unset, or give it ρ = ", ": leave it out, or give --rho "),
        ("LearningRate = ", "--learning-rate "),
        (": leave LearningRate unset, or give it ", ": leave it out, or give --learning-rate "),
        ("BatchSize is that of all", "--batch is that of all"),
        ("and BatchSize, that of all processes together, is ", "and --batch, that of all processes together, is "),
        ("Set a larger BatchSize", "Give a larger --batch"),
        ("(BatchSize of the trainer; each MicroBatch, and the part of each process, counts by itself)",
            "(--batch; the part of each process counts by itself)"),
        (", or keep the layer in evaluation mode", ""),
        ("With Sharding ByRow", "With --sharding ByRow"),
        ("or leave Sharding None", "or leave --sharding out"),
        ("processes (Sharding)", "processes (--sharding)"),
        ("keep all images (DataSharding.None)", "keep all images (--sharding None)"),
        (" A library in another place can be named: ProcessGroup.Mpi(\"/path/to/libmpi.so\").", ""),
        (" Where one only takes long, give ProcessGroup.Mpi a longer timeout.", ""),
    ];

    /// <summary>Members of the trainer's options, and what the tool has in their place.</summary>
    public static IReadOnlyDictionary<string, string> Options { get; } = new Dictionary<string, string>
    {
        ["Arch"] = "--arch", ["BatchSize"] = "--batch", ["Epoch"] = "--epochs", ["ImageHeight"] = "--size", ["ImageWidth"] = "--size",
        ["LearningRate"] = "--learning-rate", ["Method"] = "--method", ["Seed"] = "--seed",
    };

    public static string Of(string message)
    {
        string text = Phrases.Aggregate(message, (text, phrase) =>
            text.Replace(phrase.OfLibrary, phrase.OfTool, StringComparison.Ordinal));
        // Elsewhere such a word may be the name of a class or a part of a path.
        return Changed().Replace(Unused().Replace(text, OfTool), OfTool);

        static string OfTool(Match name) => Options.GetValueOrDefault(name.Value, name.Value);
    }

    /// <summary>An exception's message, without the parameter that .NET adds.</summary>
    public static string Of(Exception exception) => Of(exception is ArgumentException { ParamName: { Length: > 0 } name }
        ? exception.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : exception.Message);

    /// <summary>An option in the library's list of those without effect.</summary>
    [GeneratedRegex("""(?<=^[\w, ]*)\w+(?=[\w, ]*: of no effect on the head)""")]
    private static partial Regex Unused();

    /// <summary>An option in its list of what is not as it was when a checkpoint was written.</summary>
    [GeneratedRegex("""(?<=The checkpoint is of another training: (?:.*; )?)\w+(?= was .*\. Restore these, or )""",
        RegexOptions.Singleline)]
    private static partial Regex Changed();
}
