using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.SharpnessAware.Tests.Calibration;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class SaveWeightsTests
{
    /// <summary>Reads the file without a safetensors package, and runs the ConvNet on normalised images in PyTorch.</summary>
    private const string Python = """
        import json, struct, sys
        import torch
        import torch.nn as nn
        import torch.nn.functional as F

        with open(sys.argv[1], 'rb') as file:
            length, = struct.unpack('<Q', file.read(8))
            header = json.loads(file.read(length))
            data = bytearray(file.read())
        meta = header.pop('__metadata__')
        types = {'F32': torch.float32, 'I64': torch.int64}
        tensors = {name: torch.frombuffer(data, dtype=types[t['dtype']], offset=t['data_offsets'][0],
            count=(t['data_offsets'][1] - t['data_offsets'][0]) // (8 if t['dtype'] == 'I64' else 4)).reshape(t['shape'])
            for name, t in header.items()}

        class ConvNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv1, self.bn1 = nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
                self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
                self.conv3, self.bn3 = nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128)
                self.fc = nn.Linear(128, len(json.loads(meta['class_names'])))

            def forward(self, x):
                x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
                x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
                return self.fc(F.relu(self.bn3(self.conv3(x))).mean((2, 3)))

        torch.set_num_threads(1)
        net = ConvNet().eval()
        net.load_state_dict(tensors, strict=True)
        with open(sys.argv[2], 'rb') as file:
            pixels = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).float()
        size = [int(n) for n in meta['input_size'].split(',')]
        x = (pixels.reshape([-1] + size) - float(meta['pixel_mean'])) / float(meta['pixel_std'])
        with torch.no_grad():
            p = F.softmax(net(x) / float(meta['temperature']), 1)
        print(' '.join(repr(v) for v in p.flatten().tolist()))
        """;

    private static readonly MLContext MLContext = new(1);
    private static readonly TemporaryFolder Folder = new();
    private static SharpnessAwareImageClassificationTransformer _model = null!;
    private static IDataView _data = null!;

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        _data = Fitted.View(MLContext, Shapes.Pixels(60));
        _model = Fitted.Model(MLContext, _data, options => options.Arch = NetworkArchitecture.ConvNet);
        _model.SaveWeights(Folder.File("model.safetensors"));
    }

    [ClassCleanup]
    public static void Clean()
    {
        _model.Dispose();
        Folder.Dispose();
    }

    [TestMethod]
    public void AReaderOfItsOwnFindsEveryTensor()
    {
        byte[] file = File.ReadAllBytes(Folder.File("model.safetensors"));
        int headerLength = (int)BinaryPrimitives.ReadUInt64LittleEndian(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, headerLength));
        var names = new List<string>();
        foreach (JsonProperty property in header.RootElement.EnumerateObject().Where(property => property.Name != "__metadata__"))
        {
            names.Add(property.Name);
            Tensor expected = _model.Classifier.Network.state_dict()[property.Name];
            CollectionAssert.AreEqual(expected.shape, property.Value.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64())
                .ToArray());
            int[] offsets = [.. property.Value.GetProperty("data_offsets").EnumerateArray().Select(n => n.GetInt32())];
            Span<byte> content = file.AsSpan(8 + headerLength + offsets[0], offsets[1] - offsets[0]);
            using var scope = NewDisposeScope();
            if (property.Value.GetProperty("dtype").GetString() == "F32")
            {
                float[] values = [.. MemoryMarshal.Cast<byte, float>(content)];
                CollectionAssert.AreEqual(expected.detach().contiguous().reshape(-1).data<float>().ToArray(), values, property.Name);
            }
            else
            {
                Assert.AreEqual("I64", property.Value.GetProperty("dtype").GetString());
                Assert.AreEqual(expected.item<long>(), BinaryPrimitives.ReadInt64LittleEndian(content), property.Name);
            }
        }
        CollectionAssert.AreEquivalent(_model.Classifier.Network.state_dict().Keys, names);

        JsonElement metadata = header.RootElement.GetProperty("__metadata__");
        Assert.AreEqual("pt", metadata.GetProperty("format").GetString(), "which other libraries' loaders ask for");
        Assert.AreEqual("convnet", metadata.GetProperty("architecture").GetString());
        Assert.AreEqual("1,12,12", metadata.GetProperty("input_size").GetString());
        Assert.AreEqual("""["across","down","slanted"]""", metadata.GetProperty("class_names").GetString());
        Assert.AreEqual("uint8", metadata.GetProperty("pixel_type").GetString());
        Assert.AreEqual(_model.Temperature, double.Parse(metadata.GetProperty("temperature").GetString()!, CultureInfo.InvariantCulture));
    }

    [TestMethod]
    public void PyTorchReadsTheFileAndGivesTheSameScores()
    {
        string python = FindPython();
        PixelRow[] rows = [.. Shapes.Pixels(9, seed: 4)];
        string script = Folder.File("run.py"), pixels = Folder.File("pixels.bin");
        File.WriteAllText(script, Python);
        File.WriteAllBytes(pixels, [.. rows.SelectMany(row => row.Image)]);

        (int exitCode, string output, string error) = Run(python, script, Folder.File("model.safetensors"), pixels);

        Assert.AreEqual(0, exitCode, error);
        float[] expected = [.. Fitted.Scores(MLContext, _model.Transform(Fitted.View(MLContext, rows))).SelectMany(row => row)];
        float[] actual = [.. output.Split(' ').Select(value => float.Parse(value, CultureInfo.InvariantCulture))];
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-5f);
    }

    [TestMethod]
    public void AFailureLeavesTheFileThatWasThereAndNothingElse()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.safetensors");
        File.WriteAllText(path, "before");
        _model.SaveWeights(path);
        Assert.IsGreaterThan(1000, new FileInfo(path).Length);
        CollectionAssert.AreEqual(new[] { "model.safetensors" }, folder.FileNames());

        string directory = folder.File("directory");
        Directory.CreateDirectory(directory);
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => _model.SaveWeights(directory)).Message, directory);
        CollectionAssert.AreEqual(new[] { "model.safetensors" }, folder.FileNames());
        Assert.Throws<IOException>(() => _model.SaveWeights(Path.Combine(path, "below a file")));
        Assert.ThrowsExactly<ArgumentException>(() => _model.SaveWeights(""));
    }

    [TestMethod]
    public void NumbersAreWrittenTheSameInEveryCulture()
    {
        using var culture = new CultureScope("de-DE");
        string path = Folder.File("german.safetensors");
        _model.SaveWeights(path);
        CollectionAssert.AreEqual(File.ReadAllBytes(Folder.File("model.safetensors")), File.ReadAllBytes(path));
    }

    [TestMethod]
    public void ADisposedModelSavesNothing()
    {
        SharpnessAwareImageClassificationTransformer shared = _model.WithTemperature(1);
        shared.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => shared.SaveWeights(Folder.File("disposed.safetensors")));
    }

    /// <summary>A Python that has PyTorch: the system's (Debian's package python3-torch), or the first of the path.</summary>
    private static string FindPython()
    {
        foreach (string python in new[] { "/usr/bin/python3", "python3", "python" })
        {
            try
            {
                if (Run(python, "-c", "import torch; torch.frombuffer").ExitCode == 0)
                    return python;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                // There is none of that name.
            }
        }
        Assert.Inconclusive("No Python with PyTorch 1.10 or later was found (Debian: apt install python3-torch), so that PyTorch reads " +
            "the file was not tried.");
        return "";
    }

    private static (int ExitCode, string Output, string Error) Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true,
            RedirectStandardError = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
