using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Xml.Linq;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>An application that refers to the package of ONNX alone: test/Microsoft.ML.SharpnessAware.OnnxOnly.</summary>
[TestClass]
public sealed class OnnxPackageTests
{
    private static readonly string[] Unwanted = ["TorchSharp", "libtorch", "OnnxSharp", "OnnxTransformer", "OnnxConverter"];

    private static string Application => ChildProcess.File("Microsoft.ML.SharpnessAware.OnnxOnly");

    /// <summary>The .deps.json of an application has what it restored: each package and project, with its version.</summary>
    [TestMethod]
    public void TheApplicationRestoresNoTorchSharp()
    {
        using JsonDocument dependencies = JsonDocument.Parse(File.ReadAllText(Path.ChangeExtension(Application, ".deps.json")));
        string[] restored = [.. dependencies.RootElement.GetProperty("libraries").EnumerateObject().Select(library => library.Name)];

        Assert.Contains(name => name.StartsWith("Microsoft.ML.OnnxRuntime.Managed/", StringComparison.Ordinal), restored);
        Assert.IsEmpty(restored.Where(IsUnwanted), string.Join(", ", restored));
    }

    /// <summary>A native package brings its own managed half, and no native library starts with a managed half that is newer.</summary>
    [TestMethod]
    public void TheManagedHalfOfOnnxRuntimeIsTheOneOfTheNativePackage()
    {
        const string Name = "Microsoft.ML.SharpnessAware.Onnx";
        string project = Path.Combine(Repository.Root, "src", Name, $"{Name}.csproj");
        XElement reference = XDocument.Load(project).Descendants("PackageReference")
            .Single(element => (string?)element.Attribute("Include") == "Microsoft.ML.OnnxRuntime.Managed");
        AssemblyName compiledAgainst = typeof(OnnxImageClassifierTransformer).Assembly.GetReferencedAssemblies()
            .Single(assembly => assembly.Name == "Microsoft.ML.OnnxRuntime");

        Assert.AreEqual("1.23.2", (string?)reference.Attribute("VersionOverride"), "what Microsoft.ML.OnnxTransformer 5.0.1 asks for");
        Assert.IsLessThanOrEqualTo(new Version(1, 23, 2, 0), compiledAgainst.Version!);
    }

    [TestMethod]
    public void ItScoresAFolderOfPicturesAsTheTrainedModelDoesAfterSavingAndLoading()
    {
        using var folder = new TemporaryFolder();
        (string[][] expected, string model, string pictures) = Prepare(folder);

        (int exitCode, string output, string error) = ChildProcess.Run(Application, [model, pictures, folder.File("pipeline.zip")]);

        Assert.AreEqual(0, exitCode, error);
        string[] lines = [.. output.Split('\n').Select(line => line.Trim())];
        int end = Array.IndexOf(lines, "");
        Assert.AreEqual(expected.Length, end);
        foreach ((string[] row, string line) in expected.Zip(lines))
        {
            string[] actual = line.Split(' ');
            Assert.AreEqual(row[0], actual[0]);
            for (int i = 1; i < row.Length; i++)
                Assert.AreEqual(Number(row[i]), Number(actual[i]), 1e-5);
        }

        Assert.Contains("Microsoft.ML.OnnxRuntime", lines[end..]);
        Assert.IsEmpty(lines[end..].Where(IsUnwanted), "loaded assemblies");
    }

    [TestMethod]
    public void NothingIsReportedToTheMakerOfOnnxRuntime()
    {
        using var folder = new TemporaryFolder();
        (_, string model, string pictures) = Prepare(folder);
        string home = folder.File("home");
        Directory.CreateDirectory(home);

        (int exitCode, _, string error) = ChildProcess.Run(Application, [model, pictures, folder.File("pipeline.zip")],
            ("HOME", home), ("XDG_CACHE_HOME", home));

        Assert.AreEqual(0, exitCode, error);
        string[] files = [.. Directory.EnumerateFiles(home, "*onnxruntime*", SearchOption.AllDirectories)];
        Assert.IsEmpty(files, "it keeps an identifier and what is to be sent");
    }

    [TestMethod]
    public void WithoutTheNativeLibraryOneClearExceptionNamesThePackages()
    {
        using var folder = new TemporaryFolder();
        (_, string model, string pictures) = Prepare(folder);
        string application = Path.GetDirectoryName(Application)!, copy = folder.File("copy");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.EnumerateFiles(application))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));    // without runtimes/

        // The host also looks into the user's package folder; an empty one stands for a machine without the package.
        (int exitCode, _, string error) = ChildProcess.Run(Path.Combine(copy, Path.GetFileName(Application)),
            [model, pictures, folder.File("pipeline.zip")], ("NUGET_PACKAGES", copy), ("HOME", copy));

        Assert.AreNotEqual(0, exitCode);
        Assert.Contains("InvalidOperationException: The native library of ONNX Runtime could not be loaded", error);
        Assert.Contains("Microsoft.ML.OnnxRuntime.Gpu", error);
    }

    private static (string[][] Expected, string Model, string Pictures) Prepare(TemporaryFolder folder)
    {
        var mlContext = new MLContext(1);
        foreach (EncodedRow row in Shapes.Encoded(12))
        {
            string path = folder.File($"pictures/{row.ImagePath}");
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, row.Image);
        }

        string pictures = folder.File("pictures"), model = folder.File("model.onnx");
        IDataView data = Fitted.Keys(mlContext, mlContext.Data.LoadImagesFromFolder(pictures));
        using SharpnessAwareImageClassificationTransformer trained = Fitted.Model(mlContext, data, options =>
        {
            options.Epoch = 1;
            options.ImageWidth = options.ImageHeight = 16;
        });
        trained.SaveOnnx(model);
        IDataView scored = trained.Transform(data);
        IDataView named = mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored).Transform(scored);
        string[][] expected = [.. mlContext.Data.CreateEnumerable<NamedRow>(named, reuseRowObject: false).Select(row => (string[])
            [row.PredictedLabel, .. row.Score.Select(score => score.ToString("R", CultureInfo.InvariantCulture))])];
        return (expected, model, pictures);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static bool IsUnwanted(string name) => Unwanted.Any(part => name.Contains(part, StringComparison.OrdinalIgnoreCase));
}
