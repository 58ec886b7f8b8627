using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

// mlsharpness predict.
public sealed partial class CommandLineTests
{
    [TestMethod]
    public void PredictNamesTheClassesAndTheirProbabilities()
    {
        (int exitCode, string output, string error) = Run("predict", ModelPath, APicture, "--json");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        JsonElement result = json.RootElement.EnumerateArray().Single();
        Assert.AreEqual(APicture, result.GetProperty("file").GetString());
        JsonElement[] classes = [.. result.GetProperty("classes").EnumerateArray()];
        CollectionAssert.AreEquivalent(Classes, classes.Select(entry => entry.GetProperty("name").GetString()).ToArray());
        Assert.AreEqual(1, classes.Sum(entry => entry.GetProperty("probability").GetDouble()), 1e-5);
        (string Name, float Probability)[] expected = ScoresOf(APicture);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.AreEqual(expected[i].Name, classes[i].GetProperty("name").GetString());
            Assert.AreEqual(expected[i].Probability, classes[i].GetProperty("probability").GetSingle(), 1e-5f);
        }

        (exitCode, output, error) = Run("predict", ModelPath, APicture, "--json", "--top", "1");
        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument best = JsonDocument.Parse(output);
        Assert.AreEqual(expected[0].Name,
            best.RootElement[0].GetProperty("classes").EnumerateArray().Single().GetProperty("name").GetString());

        (exitCode, output, error) = Run("predict", ModelPath, APicture);
        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, Odd);
    }

    [TestMethod]
    public void AModelThatWasCutShortIsNamedSo()
    {
        string cut = Folder.File("cut.zip");
        byte[] whole = File.ReadAllBytes(ModelPath);
        foreach (int length in new[] { whole.Length / 2, whole.Length - 1 })
        {
            File.WriteAllBytes(cut, whole[..length]);
            (int exitCode, _, string error) = Run("predict", cut, APicture);
            Assert.AreEqual(AtFault, exitCode, error);
            StringAssert.Contains(error, "it was cut short");
        }

        File.Delete(cut);
    }

    [TestMethod]
    public void WhatIsNoModelAndWhatIsNoPictureIsSaid()
    {
        string text = Folder.File("notes.txt"), empty = Folder.File("empty.zip");
        File.WriteAllText(text, "hello");
        File.WriteAllText(empty, "");
        AssertAtFault("It is not a zip archive", "predict", text, APicture);
        AssertAtFault("It is empty", "predict", empty, APicture);
        AssertAtFault("is a folder. Name the pictures in it", "predict", ModelPath, ImagesPath);
        AssertAtFault("If this folder is a class itself", "evaluate", ModelPath, Path.GetDirectoryName(APicture)!);
        File.Delete(text);
        File.Delete(empty);

        static void AssertAtFault(string said, params string[] arguments)
        {
            (int exitCode, _, string error) = Run(arguments);
            Assert.AreEqual(AtFault, exitCode, error);
            StringAssert.Contains(error, said);
        }
    }

    [TestMethod]
    public void PredictPrintsWhatItCanReadAndNamesTheBadOnes()
    {
        string bad = Folder.File("bad.png"), missing = Folder.File("missing.png");
        File.WriteAllBytes(bad, File.ReadAllBytes(APicture)[..60]);

        (int exitCode, string output, string error) = Run("predict", ModelPath, APicture, bad, missing, APicture, "--json");
        File.Delete(bad);

        Assert.AreEqual(AtFault, exitCode);
        using JsonDocument json = JsonDocument.Parse(output);
        CollectionAssert.AreEqual(new[] { APicture, APicture }, json.RootElement.EnumerateArray()
            .Select(entry => entry.GetProperty("file").GetString()).ToArray());
        StringAssert.Contains(error, "bad.png");
        StringAssert.Contains(error, "missing.png");
        Assert.HasCount(2, error.TrimEnd().Split('\n'), error);
    }

    /// <summary>Neither cmd nor PowerShell makes names of a pattern, and here no shell is between.</summary>
    /// <summary>A folder whose pictures could be read, and not listed, behind one, two and three patterns.</summary>
    [TestMethod]
    public void PredictNamesAFolderThatMayNotBeListed()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/usr/bin/setpriv"))
        {
            Assert.Inconclusive("Giving up what root may takes Linux and setpriv.");
            return;
        }

        string root = Folder.File("closed"), closed = Path.Combine(root, "b");
        string[] folders = [Path.Combine(root, "a", "of 2024"), Path.Combine(closed, "of 2024")];
        foreach (string folder in folders)
        {
            Directory.CreateDirectory(folder);
            File.Copy(APicture, Path.Combine(folder, "1.png"));
            File.Copy(APicture, Path.Combine(Path.GetDirectoryName(folder)!, "0.png"));
        }

        File.SetUnixFileMode(closed, UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            foreach ((string pattern, string[] read) in new[]
            {
                (Path.Combine(closed, "*.png"), Array.Empty<string>()),
                (Path.Combine(root, "*", "*.png"), [Path.Combine(root, "a", "0.png")]),
                (Path.Combine(root, "*", "of*", "*.png"), [Path.Combine(root, "a", "of 2024", "1.png")]),
            })
            {
                (int exitCode, string output, string error) = ChildProcess.RunWithoutPrivileges(
                    Tool, ["predict", ModelPath, pattern, "--json"], ("OMP_NUM_THREADS", "1"), ("NO_COLOR", "1"));
                Assert.AreEqual(AtFault, exitCode, error);
                StringAssert.Contains(error, $"'{closed}");
                StringAssert.Contains(error, "denied");
                CollectionAssert.AreEqual(read, output.Length == 0 ? [] : Files(output), pattern);
            }
        }
        finally
        {
            File.SetUnixFileMode(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Directory.Delete(root, recursive: true);
        }
    }

    [TestMethod]
    public void PredictTakesPatternsWhereNoFileHasThatName()
    {
        string images = CopyOfImages("by pattern"), folder = Path.Combine(images, "down"), missing = Path.Combine(folder, "*.tif");
        string[] pictures = [.. Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)];
        File.WriteAllText(Path.Combine(folder, ".hidden.png"), "no picture");
        (int exitCode, string output, string error) = Run("predict", ModelPath, Path.Combine(folder, "*"), APicture, "--json");
        Assert.AreEqual(Done, exitCode, error);
        CollectionAssert.AreEqual((string[])[.. pictures, APicture], Files(output));

        (exitCode, output, error) = Run("predict", ModelPath, missing, APicture, "--json");
        Assert.AreEqual(AtFault, exitCode, error);
        CollectionAssert.AreEqual(new[] { APicture }, Files(output));
        StringAssert.Contains(error, $"'{missing}': no file has such a name.");
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);

        string[] all = [.. Directory.GetDirectories(images).Order(StringComparer.Ordinal)
            .SelectMany(one => Directory.EnumerateFiles(one, "*.png").Where(path => !path.EndsWith(".hidden.png", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal))];
        Directory.CreateDirectory(Path.Combine(images, ".hidden"));
        File.Copy(APicture, Path.Combine(images, ".hidden", "1.png"));
        (exitCode, output, error) = Run("predict", ModelPath, Path.Combine(images, "*", "*.png"), "--json");
        Assert.AreEqual(Done, exitCode, error);
        CollectionAssert.AreEqual(all, Files(output));

        string inFolders = Path.Combine(images, "*", "*");
        (exitCode, _, error) = Run("predict", ModelPath, images);
        Assert.AreEqual(AtFault, exitCode, error);
        StringAssert.Contains(error, $"'{images}' is a folder. Name the pictures in it, for example {inFolders}");
        (exitCode, _, error) = Run("predict", ModelPath, Path.Combine(images, "*"));
        Assert.AreEqual(AtFault, exitCode, error);
        StringAssert.Contains(error, $"'{Path.Combine(images, "*")}': only folders have such names. Name the pictures in them, for " +
            $"example {inFolders}");
        Directory.Delete(images, recursive: true);
        if (OperatingSystem.IsWindows())
            return;
        string star = Folder.File("star*.png"), other = Folder.File("stars.png");
        File.Copy(APicture, star);
        File.Copy(APicture, other);
        (exitCode, output, error) = Run("predict", ModelPath, star, "--json");
        File.Delete(star);
        File.Delete(other);
        Assert.AreEqual(Done, exitCode, error);
        CollectionAssert.AreEqual(new[] { star }, Files(output));
    }

    [TestMethod]
    public void APictureWhoseNameBeginsWithAtIsAPicture()
    {
        string home = Path.Combine(Folder.Path, "@home.png");
        File.Copy(APicture, home);

        (int exitCode, string output, string error) = RunIn(Folder.Path, "predict", ModelPath, "@home.png");
        File.Delete(home);

        Assert.AreEqual(Done, exitCode, error);
        StringAssert.Contains(output, "@home.png");
    }

    /// <summary>The label of this model is a number, and the model makes no names of it.</summary>
    [TestMethod]
    public void NumericLabelsAreNamedByTheClassifier()
    {
        string model = Folder.File("numeric.zip");
        var mlContext = new MLContext(seed: 1);
        IDataView data = mlContext.Data.LoadFromEnumerable(Shapes.Encoded(30).Select(row => new NumericRow
        {
            Label = 7 * (1 + Array.IndexOf(Shapes.Names, row.Label)), ImagePath = row.ImagePath, Image = row.Image,
        }).ToArray());
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.FeatureColumnName, options.Epoch) = ("Image", 1);
        ITransformer fitted = mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)).Fit(data);
        mlContext.Model.Save(fitted, data.Schema, model);

        (int exitCode, string output, string error) = Run("predict", model, APicture, "--json");
        File.Delete(model);

        Assert.AreEqual(Done, exitCode, error);
        using JsonDocument json = JsonDocument.Parse(output);
        string?[] names = [.. json.RootElement[0].GetProperty("classes").EnumerateArray()
            .Select(entry => entry.GetProperty("name").GetString())];
        CollectionAssert.AreEquivalent(new[] { "7", "14", "21" }, names);
    }

    private static (int ExitCode, string Output, string Error) RunIn(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Tool, .. arguments])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["NO_COLOR"] = "1" },
        };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>The classes of a picture as the library scores it, the most probable first.</summary>
    private static (string Name, float Probability)[] ScoresOf(string picture)
    {
        var mlContext = new MLContext(seed: 1);
        ITransformer model = mlContext.Model.Load(ModelPath, out DataViewSchema _);
        using var disposable = (IDisposable)model;
        IDataView scored = model.Transform(mlContext.Data.LoadImagesFromFolder(ImagesPath));
        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        int row = Array.IndexOf(scored.GetColumn<string>("ImagePath").ToArray(), picture);
        return [.. names.DenseValues().Zip(scored.GetColumn<float[]>("Score").ElementAt(row), (name, score) => ($"{name}", score))
            .OrderByDescending(entry => entry.score)];
    }

    private sealed class NumericRow
    {
        public int Label { get; set; }

        public string ImagePath { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }

    private static string?[] Files(string predictions)
    {
        using JsonDocument json = JsonDocument.Parse(predictions);
        return [.. json.RootElement.EnumerateArray().Select(entry => entry.GetProperty("file").GetString())];
    }
}
