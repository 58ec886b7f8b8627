using System.IO.Compression;
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using static Microsoft.ML.SharpnessAware.Tests.Calibration.CalibratorFits;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class CalibratorFileTests
{
    [TestMethod]
    [DataRow("Temperature")]
    [DataRow("Vector")]
    [DataRow("Isotonic")]
    [DataRow("Dirichlet")]
    public void AFlippedBitIsRefusedOrGivesTheSame(string kind)
    {
        IDataView data = ScoredRows.Confused(40).View(Context, names: true);
        MulticlassCalibratorTransformer transformer = Estimator(kind).Fit(data);
        byte[] file = Save(transformer, data.Schema);
        var random = new Random(3);
        for (int i = 0; i < 60; i++)
        {
            byte[] damaged = Rewrite(file, bytes => bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8)));
            if (TryLoad(damaged) is MulticlassCalibratorTransformer loaded)
                CollectionAssert.AreEqual(Parameters(transformer.Calibrator), Parameters(loaded.Calibrator));
        }

        for (int length = 0; length < file.Length; length += 97)
            Assert.IsNull(TryLoad(file[..length]));
    }

    [TestMethod]
    public void OwnChecksNoticeDamageThatTheArchiveDoesNot()
    {
        IDataView data = ScoredRows.Confused(40).View(Context);
        byte[] file = Save(Estimator("Vector").Fit(data), data.Schema);
        byte[] name = Encoding.UTF8.GetBytes("PredictedLabel");

        StringAssert.Contains(Refusal(Rewrite(file, bytes => bytes[bytes.AsSpan().IndexOf(name)] ^= 1)).Message,
            "checksum of the model file's calibrator");

        // The length, before "Score" and the length of the name.
        byte[] withoutLength = Rewrite(file, bytes => bytes.AsSpan(bytes.AsSpan().IndexOf(name) - 11, 4).Fill(0xff));
        StringAssert.Contains(Refusal(withoutLength).Message, "a length of -1 bytes");
        byte[] withLength = Rewrite(file, bytes => bytes[bytes.AsSpan().IndexOf(name) - 8] = 0x7f);
        StringAssert.Contains(Refusal(withLength).Message, "cut short");
    }

    [TestMethod]
    public void ParametersThatCannotBeAreRefused()
    {
        AssertRefused("its kind is 9", 9, 2);
        AssertRefused("it has 1 classes", 0, 1, 1.0);
        AssertRefused("its temperature is NaN", 0, 2, double.NaN);
        AssertRefused("its temperature is 0", 0, 2, 0.0);
        AssertRefused("its scale is Infinity", 1, 2, 1.0, double.PositiveInfinity, 0.0, 0.0);
        AssertRefused("its bias should be 2 numbers, but 8 bytes are left", 1, 2, 1.0, 1.0, 0.0);
        AssertRefused("its scale should be 2147483647 numbers", 1, int.MaxValue, 1.0);
        AssertRefused("its matrix should be 4611686014132420609 numbers", 3, int.MaxValue, 1.0);
        AssertRefused("its weight is 2", 2, 2, 1.0, 2.0);
        AssertRefused("its pieces should be 2147483647 numbers", 2, 2, 1.0, 0.5, int.MaxValue);
        AssertRefused("its pieces should be -1 numbers", 2, 2, 1.0, 0.5, -1);
        AssertRefused("the pieces of class 0 are not in order", 2, 2, 1.0, 0.5, 0);
        AssertRefused("the pieces of class 0 are not in order", 2, 2, 1.0, 0.5, 2, 0f, 0.5f, 0.4f, 1f, 0.5f, 0.4f);
        AssertRefused("the pieces of class 0 are not in order", 2, 2, 1.0, 0.5, 1, 0f, 1f, float.NaN);

        static void AssertRefused(string problem, byte kind, int classes, params object[] parameters)
        {
            using var stream = new MemoryStream();
            using var writer = new BinaryWriter(stream);
            writer.Write("Score");
            writer.Write("PredictedLabel");
            writer.Write(kind);
            writer.Write(classes);
            foreach (object value in parameters)
            {
                if (value is int number)
                    writer.Write(number);
                else if (value is float single)
                    writer.Write(single);
                else
                    writer.Write((double)value);
            }

            stream.Position = 0;
            using var reader = new BinaryReader(stream);
            StringAssert.Contains(Assert.ThrowsExactly<FormatException>(() =>
                CalibratorFile.Read((IHostEnvironment)Context, reader, version: 0x00010001)).Message, problem);
        }
    }

    [TestMethod]
    public void EveryCalibratorHasAKindOfItsOwnThatCanBeLoaded()
    {
        Type[] calibrators = [.. typeof(MulticlassCalibrator).Assembly.GetTypes()
            .Where(type => type.IsSubclassOf(typeof(MulticlassCalibrator)))];
        string[] kinds = ["Temperature", "Vector", "Isotonic", "Dirichlet"];
        MulticlassCalibrator[] fitted = [.. kinds.Select(kind => Fit(kind, ScoredRows.Confused(40)))];
        CollectionAssert.AreEquivalent(calibrators, fitted.Select(calibrator => calibrator.GetType()).ToArray());
        CollectionAssert.AreEquivalent(CalibratorFile.Kinds.ToArray(), fitted.Select(calibrator => calibrator.Kind).ToArray());
        CollectionAssert.AllItemsAreUnique(CalibratorFile.Kinds.Select(kind => kind.Tag).ToArray());
    }

    [TestMethod]
    public void ACalibratorThatNoLoaderKnowsIsNotSavedAsAnother()
    {
        IDataView data = ScoredRows.Confused(40).View(Context);
        var transformer = new MulticlassCalibratorTransformer(
            (IHostEnvironment)Context, new FifthCalibrator(), new CalibratorColumns("Score", "PredictedLabel", ScoreKind.Probabilities),
                null);
        Exception e = Assert.Throws<Exception>(() => Save(transformer, data.Schema)).GetBaseException();
        Assert.IsInstanceOfType<NotSupportedException>(e);
        StringAssert.Contains(e.Message, "FifthCalibrator");
    }

    private sealed class FifthCalibrator() : MulticlassCalibrator(numberOfClasses: 3)
    {
        internal override CalibratorKind Kind { get; } = new(Tag: 99, _ => new FifthCalibrator());

        internal override void Apply(ReadOnlySpan<float> scores, ScoreKind kind, Span<float> destination) =>
            scores.CopyTo(destination);

        internal override MulticlassCalibrator Unchanged() => this;

        internal override void Write(BinaryWriter writer)
        {
        }
    }

    /// <summary>The program scores the twenty pictures of FreshProcess; here by ML.NET's own trainer and a calibrator.</summary>
    [TestMethod]
    public void ALoadedModelNeedsNoNativeLibraryOfTorchSharp()
    {
        string folder = Path.Combine(Path.GetTempPath(), $"calibrated-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        try
        {
            IDataView data = Fitted.View(Context, Shapes.Pixels(60));
            ITransformer model = Context.Transforms.Conversion.ConvertType("Features", "Image", DataKind.Single)
                .Append(Context.MulticlassClassification.Trainers.LbfgsMaximumEntropy()).Fit(data);
            ITransformer calibrated = model.Append(Estimator("Vector").Fit(model.Transform(data)));
            string path = Path.Combine(folder, "model.zip");
            Context.Model.Save(calibrated, data.Schema, path);
            foreach (string file in Directory.EnumerateFiles(FreshProcess.Folder))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));

            (int exitCode, string output, string error) =
                FreshProcess.Run(folder, ["score", path], ("NUGET_PACKAGES", folder), ("HOME", folder));

            Assert.AreEqual(0, exitCode, error);
            string[] expected = [.. Fitted.Scores(Context, calibrated.Transform(Fitted.View(Context, Shapes.Pixels(20, seed: 11))))
                .Select(row => string.Join(' ', row.Select(BitConverter.SingleToUInt32Bits)))];
            CollectionAssert.AreEqual(expected, output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static byte[] Save(ITransformer model, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        Context.Model.Save(model, schema, stream);
        return stream.ToArray();
    }

    private static ITransformer Load(byte[] file) => new MLContext().Model.Load(new MemoryStream(file), out _);

    private static MulticlassCalibratorTransformer? TryLoad(byte[] file)
    {
        try
        {
            return (MulticlassCalibratorTransformer)Load(file);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return null;
        }
    }

    /// <summary>What our loader throws; ML.NET calls it by reflection and wraps that.</summary>
    private static FormatException Refusal(byte[] file)
    {
        Exception? e = Assert.Throws<Exception>(() => Load(file));
        while (e is not (FormatException or null))
            e = e.InnerException;
        return (FormatException)e!;
    }

    /// <summary>The file with the calibrator's bytes changed and zipped anew, so that only our own checks can notice.</summary>
    private static byte[] Rewrite(byte[] file, Action<byte[]> change)
    {
        using var stream = new MemoryStream();
        stream.Write(file);
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true))
        {
            ZipArchiveEntry entry = zip.Entries.Where(entry => entry.Name == "Model.key").MaxBy(entry => entry.Length)!;
            using Stream content = entry.Open();
            byte[] bytes = new byte[content.Length];
            content.ReadExactly(bytes);
            change(bytes);
            content.Position = 0;
            content.Write(bytes);
        }

        return stream.ToArray();
    }
}
