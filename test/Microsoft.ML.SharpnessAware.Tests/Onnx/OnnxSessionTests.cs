using Microsoft.ML.OnnxRuntime;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class OnnxSessionTests
{
    private static readonly string Version = typeof(SessionOptions).Assembly.GetName().Version!.ToString(3);

    // The first is what version 1.31.1 throws beside a native library of 1.30.0, the second what 1.30.0 throws beside 1.23.2.
    [TestMethod]
    [DataRow("The native ONNX Runtime library does not support API version 31.")]
    [DataRow("Value cannot be null. (Parameter 'ptr')")]
    public void ANativeLibraryThatIsTooOldIsNotCalledMissing(string message)
    {
        string advice = OnnxSession.WhatToDo(Thrown(new InvalidOperationException(message)));

        StringAssert.Contains(advice, $"does not fit its managed half, Microsoft.ML.OnnxRuntime.Managed {Version}");
        StringAssert.Contains(advice, $"Take version {Version} of the package that brings the native one");
        StringAssert.EndsWith(advice, message);
        Assert.DoesNotContain("could not be loaded", advice);
    }

    [TestMethod]
    public void ANativeLibraryThatIsMissingIsStillCalledSo()
    {
        string advice = OnnxSession.WhatToDo(Thrown(new DllNotFoundException("Unable to load shared library 'onnxruntime'.")));

        StringAssert.Contains(advice, "could not be loaded. Add one package to the application: Microsoft.ML.OnnxRuntime for the CPU");
        StringAssert.EndsWith(advice, "Unable to load shared library 'onnxruntime'.");
    }

    private static TypeInitializationException Thrown(Exception cause) => new("Microsoft.ML.OnnxRuntime.NativeMethods", cause);
}
