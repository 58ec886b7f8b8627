namespace Microsoft.ML.SharpnessAware;

/// <summary>Where pretrained weights come from. This file is compiled into the tool, too.</summary>
internal static class PackagedWeights
{
    /// <summary>The package that has weights of <see cref="NetworkArchitecture.MLNetResNet18"/>.</summary>
    public const string Package = "Microsoft.ML.DnnImageFeaturizer.ResNet18";

    /// <summary>Their file, in the package's folder <c>tools</c> and beside an application that names the package.</summary>
    public static string File { get; } = Path.Combine("DnnImageModels", "ResNet18Onnx", "ResNet18.onnx");
}
