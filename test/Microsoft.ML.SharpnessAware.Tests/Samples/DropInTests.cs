using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>docs/samples/DropIn: this library beside ML.NET's own path on the same pictures, without a network.</summary>
[TestClass]
public sealed class DropInTests
{
    /// <summary>Four seconds: two networks of 11 million weights look at some twenty pictures.</summary>
    [TestMethod]
    public void BothSidesAreMeasuredAndTheLastTableIsTheirMean()
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, 27);
        (int exitCode, string output, string error) = Run(folder.Path, "--head-only", "--each", "4,1000", "--seeds", "1,2");
        Assert.AreEqual(0, exitCode, error);
        StringAssert.Contains(error, "1000 of each class are left out");
        StringAssert.StartsWith(output, "3 classes, 27 pictures");
        string[][] rows = [.. output.Split('\n').Where(line => line.StartsWith("| 4 |", StringComparison.Ordinal))
            .Select(line => line.Trim('|', ' ', '\r').Split('|', StringSplitOptions.TrimEntries))];
        Assert.HasCount(6, rows);
        foreach (string side in new[] { "ML.NET", "SharpnessAware" })
        {
            string[][] ofSeeds = [.. rows.Where(row => row.Length == 8 && row[2] == side)];
            CollectionAssert.AreEqual(new[] { "1", "2" }, ofSeeds.Select(row => row[1]).ToArray());
            string[] mean = rows.Single(row => row.Length == 7 && row[1] == side);
            foreach (int column in new[] { 1, 2, 3, 4, 5 })
            {
                double[] values = [.. ofSeeds.Select(row => Number(row[^column]))];
                Assert.IsTrue(values.All(value => value >= 0), $"{side}, column {column} from the right");
                Assert.AreEqual(values.Average(), Number(mean[^column]), .11, $"{side}, column {column} from the right");
            }

            Assert.IsTrue(ofSeeds.All(row => Number(row[3]) is > 40 and <= 100 && Number(row[4]) is < 70 &&
                Number(row[5]) is > 0 and < 35 && Number(row[6]) is > 0 and < 3), output);
        }
    }

    /// <summary>As they come from a file manager or a camera: hidden folders, empty ones, and folders in those of the classes.</summary>
    [TestMethod]
    public void FoldersWithoutPicturesAreNoClassesAndDeeperOnesAreRead()
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, 27);
        Directory.CreateDirectory(folder.File("nothing yet"));
        string across = folder.File("across"), hidden = Directory.CreateDirectory(folder.File(".thumbnails")).FullName;
        File.Copy(Directory.EnumerateFiles(across).First(), Path.Combine(hidden, "1.png"));
        string moved = Directory.EnumerateFiles(across).First(), deeper = Directory.CreateDirectory(Path.Combine(across, "2024")).FullName;
        File.Move(moved, Path.Combine(deeper, "deep.png"));
        foreach (string picture in Directory.EnumerateFiles(folder.File("down")).Take(2))
            File.Delete(picture);
        (int exitCode, string output, string error) = Run(folder.Path, "--head-only", "--each", "20", "--seeds", "1");

        Assert.AreEqual(1, exitCode, error);
        StringAssert.StartsWith(output, "3 classes, 25 pictures");
        StringAssert.Contains(error, "nothing yet");
        StringAssert.Contains(error, "20 of each class are left out: 'down' has 7 pictures");
        StringAssert.Contains(error, "Nothing was measured");
    }

    [TestMethod]
    public void AFolderThatCannotBeComparedEndsWithOneLine()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("empty"));
        (int exitCode, string output, string error) = Run(folder.Path);
        Assert.AreEqual(1, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, "has no images");
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    [TestMethod]
    public void WhatIsNotUnderstoodGivesHelp()
    {
        using var folder = new TemporaryFolder();
        foreach (string[] arguments in new string[][] { [], [Path.Combine(folder.Path, "none")], [folder.Path, "--each", "0"],
            [folder.Path, "--seeds"], [folder.Path, "--often"] })
        {
            (int exitCode, string output, string error) = Run(arguments);
            Assert.AreEqual(1, exitCode, string.Join(' ', arguments));
            Assert.AreEqual("", output);
            StringAssert.Contains(error, "--head-only");
        }
    }

    private static void Write(string folder, int pictures)
    {
        foreach ((EncodedRow row, int number) in Shapes.Encoded(pictures).Select((row, number) => (row, number)))
        {
            string directory = Directory.CreateDirectory(Path.Combine(folder, row.Label)).FullName;
            File.WriteAllBytes(Path.Combine(directory, $"{number}.png"), row.Image);
        }
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static (int ExitCode, string Output, string Error) Run(params string[] arguments) =>
        ChildProcess.Run(ChildProcess.File("DropIn"), arguments, ("OMP_NUM_THREADS", "1"));
}
