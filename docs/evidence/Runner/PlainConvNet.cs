using Microsoft.ML.SharpnessAware;
using static TorchSharp.torch;

namespace MLSharpness.Evidence;

/// <summary>A small convolutional network without normalisation: the built-in ones from scratch all have some, which undoes the scale of a
/// step.</summary>
internal static class PlainConvNet
{
    public const string Name = "plain-convnet";

    /// <summary>Makes it known to <see cref="NetworkArchitecture"/>.</summary>
    public static void Register() => NetworkArchitecture.Register(Name, classes => nn.Sequential(
        ("conv1", nn.Conv2d(1, 16, 3, padding: 1)), ("relu1", nn.ReLU()), ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(16, 32, 3, padding: 1)), ("relu2", nn.ReLU()), ("pool2", nn.MaxPool2d(2)),
        ("conv3", nn.Conv2d(32, 64, 3, padding: 1)), ("relu3", nn.ReLU()), ("pool3", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()), ("fc", nn.Linear(64, classes))));
}
