using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>An application may have told torch to make tensors on another device; what is computed on the processor stays there.</summary>
[TestClass]
[DoNotParallelize] // torch's default device is everybody's
public sealed partial class DefaultDeviceTests
{
    [TestMethod]
    public void HeadRandomNumbersAndWeightsStayOnTheProcessor()
    {
        using DisposeScope scope = NewDisposeScope();
        using ImageDataset features = new(
            new TensorPixels(rand([40, 5, 1, 1], device: CPU)), rows: null,
            tensor([.. Enumerable.Range(0, 40).Select(row => (long)row % 2)], device: CPU), 2);
        using var random = new TorchRandom(3);
        using var file = new MemoryStream();
        SafetensorsFile.Write(file, new Dictionary<string, Tensor> { ["w"] = rand(2, 3), ["none"] = empty(0) },
            new Dictionary<string, string>());
        file.Position = 0;
        Device before = get_default_device();
        set_default_device(META);
        try
        {
            Assert.AreEqual(DeviceType.META, zeros(1).device_type);      // nothing can be read from such a tensor
            Assert.HasCount(40, FittedHead.Fit(features, validation: null, () => { }).HeldOutLabels);
            random.State = random.State;
            Assert.AreEqual(DeviceType.CPU, random.Draw(() => rand(1, device: CPU)).device_type);
            foreach (Tensor read in SafetensorsFile.Read(file).Values)
                Assert.AreEqual(DeviceType.CPU, read.device_type);
        }
        finally
        {
            set_default_device(before);
        }
    }

    /// <summary>No call in the library leaves the device of a new tensor to the application's default. (What a network's layers are made
    /// of is moved to its device.)</summary>
    [TestMethod]
    public void NewTensorsNameTheirDevice()
    {
        List<string> found = [];
        int calls = 0;
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories))
        {
            string code = Comment().Replace(File.ReadAllText(file), "");
            if (!code.Contains("using static TorchSharp.torch;", StringComparison.Ordinal))
                continue;
            foreach (Match call in Factory().Matches(code))
            {
                calls++;
                string arguments = Arguments(code, call.Index + call.Length);
                if (!Device().IsMatch(arguments) && !call.Value.Contains("Parameter", StringComparison.Ordinal))
                    found.Add($"{Path.GetRelativePath(Repository.Root, file)}: {call.Groups["name"].Value}({arguments})");
            }
        }

        Assert.IsGreaterThan(30, calls);
        Assert.IsEmpty(found, string.Join('\n', found));
    }

    private static string Arguments(string code, int start)
    {
        int end = start;
        for (int depth = 1; depth > 0; end++)
            depth += code[end] is '(' ? 1 : code[end] is ')' ? -1 : 0;
        return code[start..(end - 1)];
    }

    [GeneratedRegex("""//[^\n]*""")]
    private static partial Regex Comment();

    [GeneratedRegex("""(?:Parameter\()?(?<![\w.>])(?:torch\.)?(?<name>zeros|ones|empty|eye|arange|tensor|full|rand|randn|randint|"""
        + """randperm|linspace)\(""")]
    private static partial Regex Factory();

    [GeneratedRegex("""\b[dD]evice\b|\bCPU\b|\.Device\b""")]
    private static partial Regex Device();
}
