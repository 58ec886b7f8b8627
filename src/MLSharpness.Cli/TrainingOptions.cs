using System.CommandLine;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>The options of a training, shared by train and compare. What is not given is left to the library.</summary>
/// <param name="comparesMethods">Whether every method is to train the same small network from random weights, unless others are given:
/// where the head alone learns, no method has anything to do.</param>
internal sealed class TrainingOptions(bool comparesMethods)
{
    /// <summary>A radius that suits a training from scratch is so many times too large in small steps.</summary>
    private const double TimesTooLargeInSmallSteps = 5;

    /// <summary>Of an image, in pixels.</summary>
    private const int LargestSide = 8192;

    /// <summary>In minutes: two years.</summary>
    private const double LongestTimeBudget = 1_000_000;

    private readonly Option<string> _architecture = new("--arch")
    {
        Description = "Network: auto (by weights and pictures), " + string.Join(", ", NetworkArchitecture.Names) + ".",
        DefaultValueFactory = _ => comparesMethods ? NetworkArchitecture.ResNet20 : NetworkArchitecture.Auto,
    };

    private readonly Option<string> _weights = new("--weights")
    {
        Description = $"Weights to start from: auto (those of package {PackagedWeights.Package}, beside the tool or in " +
            "NuGet's folder), none, or a file: .safetensors, the package's .onnx, a model of this tool; or the package's folder.",
        DefaultValueFactory = _ => comparesMethods ? PretrainedWeights.None : PretrainedWeights.Auto,
    };

    private readonly Option<FineTuning> _fineTuning = new("--fine-tuning")
    {
        Description = "What is trained of a network that starts from weights: Auto (the head, then the whole network where it is " +
            "better), HeadOnly, Gentle or Full.",
        DefaultValueFactory = _ => FineTuning.Auto,
    };

    private readonly Option<double> _timeBudget = NumberOption.UpTo(LongestTimeBudget, "--time-budget",
        "With --fine-tuning Auto, minutes for the whole network after the head; 0 for none.", 5);

    private readonly Option<int?> _epochs = NumberOption.AtLeast(1, "--epochs",
        "Passes over the training images (30 from random weights; from others as many as suit them).");

    private readonly Option<int> _batchSize = NumberOption.AtLeast(1, "--batch", "Images in a mini-batch.", 64);

    private readonly Option<int?> _size = NumberOption.Between(1, LargestSide, "--size",
        "Side that images are scaled to, in pixels (64 from random weights, else 128 or what the weights want).");

    private readonly Option<double?> _learningRate = NumberOption.AboveZero("--learning-rate",
        "Peak learning rate (0.05 from random weights).");

    private readonly Option<double?> _rho = NumberOption.NotNegative("--rho",
        "Radius ρ of the ascent (0.05, of asam 0.5; a fifth of that in the small steps of a pretrained network).");

    private readonly Option<double> _gamma = NumberOption.UpTo(2, "--gamma", "γ of CSAM, 0 to 2.", 1);

    private readonly Option<string?> _device = new("--device") { Description = "cpu, cuda or cuda:N (default: a GPU if there is one)." };

    public void AddTo(Command command)
    {
        Option[] fineTuning = comparesMethods ? [] : [_fineTuning, _timeBudget];
        Option[] all = [_architecture, _weights, .. fineTuning, _epochs, _batchSize, _size, _learningRate, _rho, _gamma, _device];
        foreach (Option option in all)
            command.Options.Add(option);
    }

    /// <summary>A method by its name.</summary>
    /// <param name="context">What was given.</param>
    /// <param name="name">The name.</param>
    /// <param name="fineTuning">What is trained of a network that starts from weights.</param>
    public SharpnessAwareMethod Method(CommandContext context, string name, FineTuning fineTuning = FineTuning.Full)
    {
        return name.ToLowerInvariant() switch
        {
            "sgd" or "standard" => SharpnessAwareMethod.Standard,
            "sam" => WithRho(SharpnessAwareMethod.Sam()),
            "ssam" => WithRho(SharpnessAwareMethod.Ssam()),
            "csam" => WithRho(SharpnessAwareMethod.Csam(gamma: context.Value(_gamma))),
            "asam" => WithRho(SharpnessAwareMethod.Asam()),
            _ => throw new ArgumentException($"There is no method '{name}'. Methods: sgd, sam, ssam, csam, asam."),
        };

        SharpnessAwareMethod WithRho(SharpnessAwareMethod method)
        {
            bool stepsAreSmall = fineTuning != FineTuning.Full && Weights(context) != PretrainedWeights.None;
            return method with { Rho = context.Value(_rho) ?? (stepsAreSmall ? method.Rho / TimesTooLargeInSmallSteps : method.Rho) };
        }
    }

    /// <summary>Refuses numbers that none of the methods has.</summary>
    /// <param name="context">What was given.</param>
    /// <param name="methods">The names of the methods.</param>
    /// <exception cref="ArgumentException">A number was given that would be ignored.</exception>
    public void CheckUse(CommandContext context, params string[] methods)
    {
        Check(_gamma, "it is γ of csam", "csam");
        Check(_rho, "it is the radius of sam, ssam, csam and asam", "sam", "ssam", "csam", "asam");

        void Check(Option option, string whose, params string[] having)
        {
            if (context.IsGiven(option) && !methods.Intersect(having, StringComparer.OrdinalIgnoreCase).Any())
                throw new ArgumentException($"{option.Name} would be ignored: {whose}, and what trains is {string.Join(", ", methods)}. " +
                    "Leave it out.");
        }
    }

    /// <summary>The options as the library takes them.</summary>
    /// <param name="context">What was given.</param>
    /// <param name="method">The method; null for the library's own choice, unless its numbers are given.</param>
    /// <param name="group">The processes that train together, where there are several.</param>
    public SharpnessAwareImageClassificationTrainer.Options Read(CommandContext context, string? method, ProcessGroup? group = null)
    {
        // The head alone takes seconds, and is not shared out.
        FineTuning fineTuning = comparesMethods || (group is { Size: > 1 } && !context.IsGiven(_fineTuning))
            ? FineTuning.Full : context.Value(_fineTuning);
        var options = new SharpnessAwareImageClassificationTrainer.Options
        {
            FeatureColumnName = "Image",
            Arch = Architecture(context),
            InitialWeights = Weights(context),
            BatchSize = context.Value(_batchSize),
            ImageWidth = context.Value(_size),
            ImageHeight = context.Value(_size),
            LearningRate = context.Value(_learningRate),
            Device = context.Value(_device),
            CancellationToken = context.Cancellation,
            FineTuning = fineTuning,
            ProcessGroup = group,
        };
        if (!comparesMethods)
            options.TimeBudget = TimeSpan.FromMinutes(context.Value(_timeBudget)) is var budget && budget > TimeSpan.Zero ? budget : null;
        if (method is not null || context.IsGiven(_rho) || context.IsGiven(_gamma))
            options.Method = Method(context, method ?? "csam", fineTuning);
        if (!comparesMethods && method is not null)
            CheckUse(context, method);
        if (context.Value(_epochs) is int epochs)
            options.Epoch = epochs;
        return options;
    }

    /// <summary>The file of weights to start from; null for none.</summary>
    public string? WeightsFile(CommandContext context) => Weights(context) is var weights && weights != PretrainedWeights.None
        ? weights : null;

    /// <summary>What to tell a user of options that have no effect.</summary>
    /// <param name="context">What was given.</param>
    /// <param name="fineTuning">What is trained of a network that starts from weights.</param>
    /// <param name="areSeveral">Whether several processes train together.</param>
    public IEnumerable<string> Unused(CommandContext context, FineTuning fineTuning, bool areSeveral)
    {
        if (WeightsFile(context) is null)
        {
            if (new Option[] { _fineTuning, _timeBudget }.Where(context.IsGiven).ToArray() is { Length: > 0 } unused)
                yield return $"warning: {string.Join(" and ", unused.Select(option => option.Name))} " +
                    $"{(unused.Length == 1 ? "is" : "are")} not used: the training starts from random weights.";
        }
        else if (fineTuning != FineTuning.Auto && context.IsGiven(_timeBudget))
        {
            yield return $"warning: {_timeBudget.Name} is not used: it is for {_fineTuning.Name} {nameof(FineTuning.Auto)}" +
                (areSeveral && !context.IsGiven(_fineTuning) ? ", and several processes train the whole network." : ".");
        }
    }

    /// <summary>The network and its weights, in a sentence.</summary>
    public string Start(CommandContext context)
    {
        string? weights = WeightsFile(context);
        string network = Architecture(context) is var given && !given.Equals(NetworkArchitecture.Auto, StringComparison.OrdinalIgnoreCase)
            ? $"'{given}'"
            : weights is null ? $"'{NetworkArchitecture.ResNet20}'" : IsAuto(context) ? $"'{NetworkArchitecture.MLNetResNet18}'"
            : "that of the file";
        return $"The network is {network} and starts from {(weights is null ? "random weights" : $"the weights in '{weights}'")}.";
    }

    /// <summary>What to tell a user who could have had weights and has none.</summary>
    public string? Advice(CommandContext context) =>
        IsAuto(context) && TakesThoseOfThePackage(context) && PretrainedFile.Find() is null ? PretrainedFile.Advice : null;

    private string Weights(CommandContext context)
    {
        string given = context.Value(_weights);
        if (given.Equals(PretrainedWeights.None, StringComparison.OrdinalIgnoreCase))
            return PretrainedWeights.None;
        if (!IsAuto(context))
            return PretrainedFile.Of(given);
        if (context.IsGiven(_weights) && !TakesThoseOfThePackage(context))
            throw new ArgumentException($"{_weights.Name} {PretrainedWeights.Auto} has none for {_architecture.Name} " +
                $"{context.Value(_architecture)}: the package's are of {NetworkArchitecture.MLNetResNet18}. Give {_weights.Name} FILE or " +
                $"{PretrainedWeights.None}, or leave {_architecture.Name} out.");
        return (TakesThoseOfThePackage(context) ? PretrainedFile.Find() : null) ?? PretrainedWeights.None;
    }

    private bool IsAuto(CommandContext context) =>
        context.Value(_weights).Equals(PretrainedWeights.Auto, StringComparison.OrdinalIgnoreCase);

    /// <summary>Where methods are compared, a small network, but with the package's weights theirs.</summary>
    private string Architecture(CommandContext context) => context.IsGiven(_architecture)
        || context.Value(_weights).Equals(PretrainedWeights.None, StringComparison.OrdinalIgnoreCase)
        ? context.Value(_architecture) : NetworkArchitecture.Auto;

    private bool TakesThoseOfThePackage(CommandContext context) => Architecture(context).ToLowerInvariant()
        is NetworkArchitecture.Auto or NetworkArchitecture.MLNetResNet18;
}
