using System.Text;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;

// A file of version 0.1.0 names the assembly Microsoft.ML.SharpnessAware and the signature "MulticlassCalibrator"; see EarlierClasses
// there.
// ML.NET does not let two assemblies have the same signature.
[assembly: LoadableClass(typeof(MulticlassCalibratorTransformer), typeof(CalibratorFile), null, typeof(SignatureLoadModel),
    "Multiclass calibrator", CalibratorFile.LoaderSignature)]

namespace Microsoft.ML.SharpnessAware;

/// <summary>The calibrator inside an ML.NET model file.</summary>
internal static class CalibratorFile
{
    public const string LoaderSignature = "CalibratorOfMulticlass";

    private const uint Initial = 0x00010001;
    private const uint WithScoreKindAndFloor = 0x00010002;

    /// <summary>All that can be saved and loaded.</summary>
    public static IReadOnlyList<CalibratorKind> Kinds { get; } =
    [
        TemperatureCalibrator.FileKind, VectorCalibrator.FileKind, OneVersusRestIsotonicCalibrator.FileKind, DirichletCalibrator.FileKind,
    ];

    private static VersionInfo GetVersionInfo() => new(
        modelSignature: "MULTICAL",
        verWrittenCur: WithScoreKindAndFloor,
        verReadableCur: WithScoreKindAndFloor,
        verWeCanReadBack: Initial,
        loaderSignature: LoaderSignature,
        loaderAssemblyName: typeof(CalibratorFile).Assembly.FullName);

    public static void Save(
        IHostEnvironment env, ModelSaveContext ctx, MulticlassCalibrator calibrator, CalibratorColumns columns, LabelValues? labelValues)
    {
        if (!Kinds.Contains(calibrator.Kind))
            throw new NotSupportedException($"A {calibrator.GetType().Name} cannot be saved: no loader knows it.");
        ctx.CheckAtModel();
        ctx.SetVersionInfo(GetVersionInfo());

        // *** Binary format ***
        // checked block:
        //   string: score column, string: predicted label column
        //   byte: kind of score (from version 1.2 on; before, probabilities)
        //   byte: kind of calibrator
        //   int: number of classes
        //   double: the least that a probability counts (from version 1.2 on; before, the smallest float32)
        //   parameters (see the calibrator's Write)
        //   bool: has label values; if so, label values

        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(columns.ScoreColumnName);
        writer.Write(columns.PredictedLabelColumnName);
        writer.Write((byte)columns.ScoreKind);
        writer.Write(calibrator.Kind.Tag);
        writer.Write(calibrator.NumberOfClasses);
        writer.Write(calibrator.Floor);
        calibrator.Write(writer);
        writer.Write(labelValues is not null);
        writer.Flush();
        labelValues?.Save(env, stream);
        CheckedBlock.Write(ctx.Writer, stream.ToArray());
    }

    // Found by ML.NET by this name and signature.
    private static MulticlassCalibratorTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(GetVersionInfo());
        try
        {
            byte[] content = CheckedBlock.Read(ctx.Reader, "calibrator");
            using var reader = new BinaryReader(new MemoryStream(content, writable: false), Encoding.UTF8);
            return Read(env, reader, ctx.Header.ModelVerWritten);
        }
        catch (EndOfStreamException e)
        {
            throw CutShort(e);
        }
    }

    /// <summary>Reads the content of the checked block.</summary>
    /// <exception cref="FormatException">It is damaged.</exception>
    internal static MulticlassCalibratorTransformer Read(IHostEnvironment env, BinaryReader reader, uint version)
    {
        try
        {
            return ReadTransformer(env, reader, isInitial: version < WithScoreKindAndFloor);
        }
        catch (IOException e)
        {
            throw CutShort(e); // or a text has a negative length, which BinaryReader tells like this
        }
    }

    private static FormatException CutShort(IOException e) =>
        new("The model file ends in the middle of the calibrator: it is cut short. Copy or save it again.", e);

    private static MulticlassCalibratorTransformer ReadTransformer(IHostEnvironment env, BinaryReader reader, bool isInitial)
    {
        string scoreColumnName = reader.ReadString(), predictedLabelColumnName = reader.ReadString();
        var scoreKind = (ScoreKind)(isInitial ? 0 : reader.ReadByte());
        if (!Enum.IsDefined(scoreKind))
            throw CalibratorReader.Damaged($"its kind of score is {(int)scoreKind}");
        byte tag = reader.ReadByte();
        CalibratorKind kind = Kinds.FirstOrDefault(kind => kind.Tag == tag) ?? throw CalibratorReader.Damaged($"its kind is {tag}");
        int numberOfClasses = reader.ReadInt32();
        if (numberOfClasses < 2)
            throw CalibratorReader.Damaged($"it has {numberOfClasses} classes");
        double floor = isInitial ? LogProbabilities.EarlierFloor : reader.ReadDouble();
        if (!(floor is > 0 and < 1))
            throw CalibratorReader.Damaged($"the least that a probability counts is {floor}");
        MulticlassCalibrator calibrator = kind.Read(new CalibratorReader(env, reader, numberOfClasses, floor));
        LabelValues? labelValues = reader.ReadBoolean() ? LabelValues.Load(env, reader.BaseStream, numberOfClasses) : null;
        var columns = new CalibratorColumns(scoreColumnName, predictedLabelColumnName, scoreKind);
        return new MulticlassCalibratorTransformer(env, calibrator, columns, labelValues);
    }
}
