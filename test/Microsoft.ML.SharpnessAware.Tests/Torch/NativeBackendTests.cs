using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Build;

[TestClass]
public sealed class NativeBackendTests
{
    [TestMethod]
    public void TorchSharpLoadsAndComputesOnThisSystem()
    {
        using Tensor two = tensor(2.0);
        using Tensor four = two.square();
        Assert.AreEqual(4.0, four.item<double>());
    }

    [TestMethod]
    [DataRow("LINUX", Architecture.X64, "libtorch-cpu-linux-x64")]
    [DataRow("WINDOWS", Architecture.X64, "libtorch-cpu-win-x64")]
    [DataRow("WINDOWS", Architecture.Arm64, "libtorch-cpu-win-arm64")]
    [DataRow("OSX", Architecture.Arm64, "libtorch-cpu-osx-arm64")]
    [DataRow("LINUX", Architecture.Arm64, null)]
    [DataRow("OSX", Architecture.X64, null)]
    [DataRow("WINDOWS", Architecture.X86, null)]
    public void WhatIsMissingIsNamedForTheProcessorToo(string system, Architecture processor, string? package)
    {
        OSPlatform platform = OSPlatform.Create(system);
        Assert.AreEqual(package, NativeBackend.CpuPackage(platform, processor));
        string advice = NativeBackend.WhatToDo(platform, processor);
        StringAssert.Contains(advice, package ?? "use x64 (docker run --platform linux/amd64), or score with the package MLSharpness.Onnx");
        if (package is null)
            Assert.DoesNotContain("libtorch-cpu", advice);
        else
            StringAssert.Contains(advice, "A script or notebook is not built: let it begin with NativeLibrary.Load of that file");
        string properties = File.ReadAllText(Path.Combine(Repository.Root, "Directory.Packages.props"));
        string targets = File.ReadAllText(Path.Combine(Repository.Root, "build", "TorchBackend.targets"));
        if (package is not null)
        {
            StringAssert.Contains(properties, $"\"{package}\"");
            StringAssert.Contains(targets, $"'$(TorchProcessor)' == '{processor}'\">{package}<");
        }
    }
}
