using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What a training starts from: a network, and the weights that it has or none, as the options and the data ask for.</summary>
internal sealed class StartingPoint : IDisposable
{
    private const string Package = PackagedWeights.Package;
    private const double DefaultShare = 0.1; // Options.ValidationSetFraction

    private StartingPoint(Options options, InitialWeights? weights, IReadOnlyList<string>? classNames) =>
        (Options, Weights, ClassNames) = (options, weights, classNames);

    /// <summary>The user's options with network, size and channels as they were chosen.</summary>
    public Options Options { get; }

    /// <summary>Null for random weights.</summary>
    public InitialWeights? Weights { get; }

    /// <summary>The names of the data's classes; null where they have none.</summary>
    public IReadOnlyList<string>? ClassNames { get; }

    /// <summary>Whether <see cref="Options.FineTuning"/> says what is to be trained.</summary>
    public bool IsFineTuned => FollowsFineTuning && Options.FineTuning != FineTuning.Full;

    private bool FollowsFineTuning => Weights is not null && !Options.TreatsBackboneDifferently;

    /// <summary>The options by which images are read: fine-tuning sets images aside itself, where it must.</summary>
    public Options ImageOptions
    {
        get
        {
            Options options = Options.Clone();
            if (IsFineTuned)
                options.ValidationSetFraction = null;
            return options;
        }
    }

    /// <summary>The options of a training without a head first: with weights, what suits <see cref="FineTuning.Full"/> is the
    /// default.</summary>
    public Options OptionsFor(TrainingImages images) => FollowsFineTuning
        ? FineTuningCandidate.Of(FineTuning.Full, Options).Apply(Options, images.Training.Count) : Options;

    /// <summary>Chooses, and says in the log what and why.</summary>
    /// <exception cref="FileNotFoundException">There is no such file of weights.</exception>
    /// <exception cref="InvalidDataException">The file of weights cannot be used.</exception>
    /// <exception cref="InvalidOperationException">Weights are needed, and there are none.</exception>
    public static StartingPoint Choose(
        Options options, DataViewSchema schema, LabelValues? labelValues, IHostEnvironment env, IChannel channel)
    {
        bool anyNetwork = options.Arch.Equals(NetworkArchitecture.Auto, StringComparison.OrdinalIgnoreCase);
        bool anyWeights = options.InitialWeights is null or PretrainedWeights.Auto;
        DataViewType images = NamedColumn.Find(schema, options.FeatureColumnName, "feature").Type;
        bool arePictures = images is ImageDataViewType or VectorDataViewType { IsKnownSize: false };

        Options chosen = options.Clone();
        string? path = anyWeights
            ? PretrainedWeights.Find(anyNetwork ? NetworkArchitecture.MLNetResNet18 : options.Arch, options.PretrainedFolder)
            : options.InitialWeights == PretrainedWeights.None ? null : options.InitialWeights;
        bool doNotSuit = path is not null && anyNetwork && anyWeights && !(arePictures && options.ImageChannels is null or 3);
        if (doNotSuit)
            path = null; // pixels of a given size, mostly small, or grey ones that someone asked for
        bool areGrey = arePictures && options.ImageChannels is not (null or 3);
        if (anyNetwork && (path is null || anyWeights))
            chosen.Arch = path is null ? NetworkArchitecture.ResNet20 : NetworkArchitecture.MLNetResNet18;
        if (path is null && options.TreatsBackboneDifferently && NetworkArchitecture.IsBuiltIn(chosen.Arch))
        {
            throw new InvalidOperationException(
                "FreezeBackbone, FreezeEpochs and BackboneLearningRateFactor need weights, and there are none" + (doNotSuit
                    ? " for vectors of pixels and grey images: set InitialWeights to a file, or take pictures in colour."
                    : $": set InitialWeights to a file, or add the package {Package} to the application's project."));
        }

        InitialWeights? weights = anyWeights
            ? ReadBesideApplication(env, path, chosen.Arch)
            : InitialWeights.Read(env, path, anyNetwork && path is not null ? null : chosen.Arch);
        if (weights is not null)
        {
            chosen.Arch = weights.Architecture ?? chosen.Arch;
            if (arePictures)
            {
                (chosen.ImageWidth, chosen.ImageHeight) = weights.SizeFor(images, options.ImageWidth, options.ImageHeight);
                chosen.ImageChannels ??= weights.Channels;
            }
        }

        channel.Info(Describe(chosen, weights, anyNetwork, arePictures, areGrey, options.InitialWeights == PretrainedWeights.None));
        chosen.InitialWeights = weights?.Path ?? PretrainedWeights.None;
        var start = new StartingPoint(chosen, weights, labelValues?.Names);
        if (start.IsFineTuned)
            WarnOfWhatHasNoEffect(options, channel);
        else if (weights is null && options.FreezeBatchNorm && NetworkArchitecture.IsBuiltIn(chosen.Arch)
            && !NetworkArchitecture.IsVisionTransformer(chosen.Arch))
        {
            channel.Warning("FreezeBatchNorm keeps batch norm as the initial weights have it, and there are none: images go through it " +
                "unnormalised, with which a network from scratch trains badly or not at all. Leave it out, or start from weights.");
        }

        return start;
    }

    public void Dispose() => Weights?.Dispose();

    /// <summary>Reads a file that nobody has named: the error tells where it comes from, and how to do without.</summary>
    private static InitialWeights? ReadBesideApplication(IHostEnvironment env, string? path, string architecture)
    {
        try
        {
            return InitialWeights.Read(env, path, architecture, "The file of weights beside the application,");
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException(
                $"{e.Message} Take version {OnnxResNet.PackageVersion} of package {Package}, or set InitialWeights to " +
                    "PretrainedWeights.None to train from scratch.", e);
        }
    }

    /// <summary>Names the settings that a training of the head does not use, since nobody would notice.</summary>
    private static void WarnOfWhatHasNoEffect(Options options, IChannel channel)
    {
        const string Otherwise = "Set FineTuning to Full for one training of the whole network that does.";
        if (options.CheckpointPath is string path)
        {
            channel.Warning($"CheckpointPath has no effect, and '{path}' is neither read nor written: the head takes seconds, and what " +
                $"follows it within TimeBudget does not continue where it was stopped. {Otherwise}");
        }

        if (options.EarlyStoppingCriteria is not null)
        {
            channel.Warning("EarlyStoppingCriteria has no effect: the head has no epochs, and a training of the whole network " +
                $"after it is not stopped early. {Otherwise}");
        }

        if (options.ValidationSet is null && options.ValidationSetFraction is double share && share != 0 && share != DefaultShare)
        {
            channel.Warning(string.Create(CultureInfo.InvariantCulture,
                $"ValidationSetFraction {share} has no effect: the head is trained on all ") +
                            "images, and each is judged by a head that had not seen it. Give a ValidationSet for images of your own " +
                                "choice.");
        }

        if (options.SetForSteps.ToArray() is { Length: > 0 } names)
        {
            channel.Warning($"{string.Join(", ", names)}: of no effect on the head, which is the solution of a convex problem, but only " +
                $"where the whole network is trained after it (FineTuning, TimeBudget). {Otherwise}");
        }
    }

    private static string Describe(
        Options chosen, InitialWeights? weights, bool wasChosen, bool arePictures, bool areGrey, bool randomIsWanted)
    {
        string network = $"The network is '{chosen.Arch}'";
        if (weights is not null)
            return $"{network} and starts from the weights in '{weights.Path}'.";
        string start = $"{network} and starts from random weights";
        return (wasChosen, randomIsWanted, arePictures) switch
        {
            (_, true, _) or (false, _, _) => $"{start}.",
            (true, _, false) => $"{start}: the images are vectors of pixels, which are trained from scratch unless InitialWeights names " +
                "a file.",
            (true, _, true) when areGrey => $"{start}: ImageChannels is {chosen.ImageChannels}, and the weights that come by package are " +
                "of pictures in colour. Leave ImageChannels out, and grey pictures are taken in colour and may start from them.",
            (true, _, true) => $"{start}, since no others lie beside the application. With a few hundred pictures pretrained weights are " +
                $"much better: dotnet add package {Package}, or set InitialWeights to the file, {PackagedWeights.InPackage} of the package",
        };
    }
}
