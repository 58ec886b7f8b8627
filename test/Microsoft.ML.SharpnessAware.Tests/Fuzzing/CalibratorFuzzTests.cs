using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware.Tests.Calibration;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

[TestClass]
public sealed class CalibratorFuzzTests
{
    public TestContext TestContext { get; set; } = null!;

    /// <summary>What the checksum protects, as if whoever damaged it had made the checksum right again.</summary>
    [TestMethod]
    public void CalibratorsLoadOrAreRefused()
    {
        IDataView named = ScoredRows.Confused(40).View(CalibratorFits.Context, names: true);
        byte[][] valid = [.. new[] { "Temperature", "Vector", "Isotonic", "Dirichlet" }.Select(kind => Block(kind, named)),
            Block("Temperature", Examples.Scored(CalibratorFits.Context, 40, nameof(Example.Key)))];
        var fuzzing = new ReaderFuzzer(TestContext, "calibrator, beneath the checksum")
        {
            Documented = e => e.GetType() == typeof(FormatException),
            ConstantBytes = 256 << 10,
        };
        fuzzing.Run(valid, file =>
        {
            using var reader = new BinaryReader(new MemoryStream(file));
            MulticlassCalibrator calibrator = CalibratorFile.Read((IHostEnvironment)CalibratorFits.Context, reader, 0x00010002).Calibrator;
            if (calibrator.NumberOfClasses <= 10)
            {
                float[] row = new float[calibrator.NumberOfClasses];
                Array.Fill(row, 1f / row.Length);
                calibrator.Calibrate(row, row);
            }
        });
    }

    private static byte[] Block(string kind, IDataView data)
    {
        using var stream = new MemoryStream();
        CalibratorFits.Context.Model.Save(CalibratorFits.Estimator(kind).Fit(data), data.Schema, stream);
        foreach ((_, byte[] content) in Archive.Read(stream.ToArray()))
        {
            if (Archive.FindBlock(content) is var (_, start, length))
                return content[start..(start + length)];
        }

        throw new InvalidOperationException("There is no calibrator in the model file.");
    }
}
