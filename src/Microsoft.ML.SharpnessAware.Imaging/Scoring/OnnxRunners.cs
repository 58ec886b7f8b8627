namespace Microsoft.ML.SharpnessAware;

/// <summary>Finds the runtime of MLSharpness.Onnx, where the application has that package.</summary>
internal static class OnnxRunners
{
    // By name, since neither package references the other. An application that references it may not have used it yet.
    private const string TypeName = "Microsoft.ML.SharpnessAware.OnnxRunner, Microsoft.ML.SharpnessAware.Onnx";

    /// <exception cref="InvalidOperationException">The application has not the package.</exception>
    public static IOnnxRunner Find(string purpose) => Type.GetType(TypeName, throwOnError: false) is Type type
        ? (IOnnxRunner)Activator.CreateInstance(type)!
        : throw new InvalidOperationException($"{purpose} needs ONNX Runtime. Add the packages MLSharpness.Onnx and " +
            "Microsoft.ML.OnnxRuntime to the application.");
}
