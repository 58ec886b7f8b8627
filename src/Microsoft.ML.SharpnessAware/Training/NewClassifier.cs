using Microsoft.ML.Runtime;
using TorchSharp;
using static TorchSharp.torch;
using Options = Microsoft.ML.SharpnessAware.SharpnessAwareImageClassificationTrainer.Options;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The classifier that a training begins with: a network as its starting point has it, and the normalisation that options, weights
/// or images tell.</summary>
internal static class NewClassifier
{
    /// <summary>For images that were read.</summary>
    public static ImageClassifier Create(StartingPoint start, ImageDataset training, Device device, TrainingContext context) =>
        Create(start, training.Shape, training.PixelType, training.NumberOfClasses,
            ChooseStatistics(start, training, context.Channel), device, context);

    /// <summary>For images of which shape and statistics are known, read or not.</summary>
    public static ImageClassifier Create(StartingPoint start, ImageShape shape, ScalarType pixelType, int numberOfClasses,
        PixelStatistics statistics, Device device, TrainingContext context)
    {
        Options options = start.Options;
        nn.Module<Tensor, Tensor> network =
            context.Random.Draw(() => CreateNetwork(start, shape, numberOfClasses, context.Channel)).to(device);
        return new ImageClassifier(
            options.Arch, network, device, shape, pixelType, new Normalization(statistics, device), numberOfClasses)
        {
            Resizing = options.Resizing,
        };
    }

    /// <summary>What the options ask for, or the initial weights were trained with, where no image has to be read for it; else null.
    /// </summary>
    public static PixelStatistics? StatisticsBeforeReading(StartingPoint start, ImageColumn column, IChannel channel)
    {
        if (column.Shape is not ImageShape shape || column.PixelType != PixelType.Byte)
            return null;
        PixelNormalization wanted = start.Options.Normalization;
        if (wanted == PixelNormalization.FromData)
            return start.Weights?.StatisticsFor(ScalarType.Byte, shape, channel);
        PixelStatistics? given = wanted.ForBytes(shape);
        if (given is not null && start.Weights?.AdviceOn(given, byte.MaxValue) is string advice)
            channel.Warning(advice);
        return given;
    }

    /// <summary>What the options ask for; by default what the initial weights were trained with, or else the images' own.</summary>
    private static PixelStatistics ChooseStatistics(StartingPoint start, ImageDataset training, IChannel channel)
    {
        PixelNormalization wanted = start.Options.Normalization;
        if (wanted == PixelNormalization.FromData)
            return start.Weights?.StatisticsFor(training, channel) ?? wanted.For(training);
        PixelStatistics given = wanted.For(training);
        if (start.Weights?.AdviceOn(given, PixelScale.WhiteForSure(training)) is string advice)
            channel.Warning(advice);
        return given;
    }

    private static nn.Module<Tensor, Tensor> CreateNetwork(StartingPoint start, ImageShape shape, int numberOfClasses, IChannel channel)
    {
        nn.Module<Tensor, Tensor> network = NetworkArchitecture.Create(start.Options.Arch, numberOfClasses, shape);
        if (NetworkArchitecture.Advice(start.Options.Arch, shape) is string advice)
            channel.Warning(advice);
        try
        {
            CheckStorable(network, start.Options.Arch);
            start.Weights?.CopyTo(network, numberOfClasses, shape, channel, start.ClassNames);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>A model that cannot be saved shall not be trained for hours first.</summary>
    private static void CheckStorable(nn.Module network, string architecture)
    {
        if (ModuleWeights.Obstacle(network) is string obstacle)
        {
            throw new InvalidOperationException(
                $"A model with network '{architecture}' could be trained and not saved. {obstacle} Register it under a shorter name, in " +
                "another type (complex numbers by view_as_real()), or, where the network makes it anew, with persistent: false.");
        }
    }
}
