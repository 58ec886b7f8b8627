namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Where code may stand: rooms have no circles, and arrows point down the lists of docs/architecture.md only.</summary>
[TestClass]
public sealed class RoomTests
{
    // In each package a room may name the ones above it. Package by package, the compiler sees to it.
    private static readonly string[] Calibration =
        ["Common", "MLNet", "Metrics", "Evaluation", "Calibrators", "Decisions", "Figures", "Reports", ""];

    private static readonly string[] Imaging = ["Pixels", "Reading", "Files", "Scoring", ""];

    private static readonly string[] SharpnessAware =
    [
        "Distributed", "Torch", "Imaging", "Imaging/Caching", "Imaging/Datasets", "Imaging/Augmenting", "Losses", "Optimization",
            "Networks", "Weights",
        "Model", "Scoring", "Training", "Reports", "",
    ];

    private static readonly string[] Onnx = ["Model", "Scoring", ""];

    private static readonly string[] TorchOnly = ["Torch", "Losses", "Optimization", "Networks", "Weights"];

    private static readonly Rooms House = new(Source(CalibrationPackage), Source(ImagingPackage), Source(SharpnessAwarePackage),
        Source(OnnxPackage));

    private const string CalibrationPackage = "Microsoft.ML.SharpnessAware.Calibration";
    private const string ImagingPackage = "Microsoft.ML.SharpnessAware.Imaging";
    private const string SharpnessAwarePackage = "Microsoft.ML.SharpnessAware";
    private const string OnnxPackage = "Microsoft.ML.SharpnessAware.Onnx";

    [TestMethod]
    public void NoRoomsLeadToEachOther()
    {
        string[] circles = [.. House.ArrowsInCircles().Select(House.Describe)];

        Assert.IsEmpty(circles, string.Join(Environment.NewLine, circles));
    }

    [TestMethod]
    public void EveryArrowPointsToARoomFurtherUpTheList()
    {
        List<string> order = [.. Calibration.Select(room => InPackage(CalibrationPackage, room)),
            .. Imaging.Select(room => InPackage(ImagingPackage, room)),
            .. SharpnessAware.Select(room => InPackage(SharpnessAwarePackage, room)),
            .. Onnx.Select(room => InPackage(OnnxPackage, room))];

        string[] unknown = [.. House.Names.Where(room => !order.Contains(room))];
        string[] wrong = [.. House.Arrows.Where(arrow => order.IndexOf(arrow.To) > order.IndexOf(arrow.From)).Select(House.Describe)];

        Assert.IsEmpty(unknown, $"Rooms without a place in the list: {string.Join(", ", unknown)}");
        Assert.IsEmpty(wrong, string.Join(Environment.NewLine, wrong));
    }

    [TestMethod]
    public void MetricsKnowNeitherMLNetNorTorch()
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Source(CalibrationPackage), "Metrics"), "*.cs"))
        {
            string code = File.ReadAllText(file);
            Assert.IsFalse(code.Contains("using Microsoft.ML") || code.Contains("TorchSharp"), file);
        }
    }

    [TestMethod]
    public void ProcessGroupsKnowNeitherMLNetNorTorch()
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Source(SharpnessAwarePackage), "Distributed"), "*.cs"))
        {
            string code = File.ReadAllText(file);
            Assert.IsFalse(code.Contains("using Microsoft.ML") || code.Contains("TorchSharp"), file);
        }
    }

    [TestMethod]
    public void TheRoomsOfTorchAndOfPixelsKnowNothingOfMLNet()
    {
        foreach (string file in TorchOnly.Select(room => Path.Combine(Source(SharpnessAwarePackage), room))
            .Append(Path.Combine(Source(ImagingPackage), "Pixels")).SelectMany(folder => Directory.EnumerateFiles(folder, "*.cs")))
            Assert.DoesNotContain("using Microsoft.ML", File.ReadAllText(file), file);
    }

    [TestMethod]
    public void ACircleIsFoundAndItsFilesAreNamed()
    {
        using var folder = new TemporaryFolder();
        Write("P/One/A.cs", "namespace N;\ninternal sealed class A { private B? _b; }");
        Write("P/Two/B.cs", "namespace N;\ninternal sealed class B : IC { }");
        Write("P/Three/IC.cs", "namespace N;\npublic interface IC { A Get(); }");
        Write("P/Four/D.cs", "namespace N;\n// Nobody names D: \"D\" in a text is none.\npublic record D { public string Text => \"E " +
            "D\"; }");
        Write("P/Five/E.cs", "namespace N;\npublic enum E { X }");
        var rooms = new Rooms(Path.Combine(folder.Path, "P"));

        CollectionAssert.AreEquivalent(
            new[] { ("P/One", "P/Two"), ("P/Two", "P/Three"), ("P/Three", "P/One") }, rooms.ArrowsInCircles().ToArray());
        Assert.AreEqual("P/One → P/Two: A.cs names B of B.cs", rooms.Describe(("P/One", "P/Two")));
        Assert.HasCount(3, rooms.Arrows.ToArray());

        void Write(string path, string code) => WriteCode(folder, path, code);
    }

    [TestMethod]
    public void ACallOfAnExtensionMethodIsAnArrow()
    {
        using var folder = new TemporaryFolder();
        WriteCode(folder, "P/One/A.cs", "namespace N;\ninternal sealed class A\n{\n    public void Go() => 1.Twice<int>().Add();\n}");
        WriteCode(folder, "P/Two/B.cs", "namespace N;\ninternal static class B\n{\n    public static T Twice<T>(this T x) => x;\n" +
            "    public static int Add(this int x) => x;\n}");
        WriteCode(folder, "P/Three/C.cs", "namespace N;\ninternal sealed class C\n{\n    public void Add() { }\n}");
        var rooms = new Rooms(Path.Combine(folder.Path, "P"));

        Assert.AreEqual(("P/One", "P/Two"), rooms.Arrows.Single());
        Assert.AreEqual("P/One → P/Two: A.cs names Twice of B.cs", rooms.Describe(("P/One", "P/Two")));
    }

    private static void WriteCode(TemporaryFolder folder, string path, string code)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder.Path, path))!);
        File.WriteAllText(Path.Combine(folder.Path, path), code);
    }

    private static string InPackage(string package, string room) => room.Length == 0 ? package : $"{package}/{room}";

    private static string Source(string package) => Path.Combine(Repository.Root, "src", package);
}
