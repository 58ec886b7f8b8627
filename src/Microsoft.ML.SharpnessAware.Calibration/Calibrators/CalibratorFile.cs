using System.Text;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;

// A file of version 0.1.0 names the assembly Microsoft.ML.SharpnessAware and the signature "MulticlassCalibrator"; see EarlierCalibrators there.
// ML.NET does not let two assemblies have the same signature.
[assembly: LoadableClass(typeof(MulticlassCalibratorTransformer), typeof(CalibratorFile), null, typeof(SignatureLoadModel),
    "Multiclass calibrator", CalibratorFile.LoaderSignature)]

namespace Microsoft.ML.SharpnessAware;

/// <summary>The calibrator inside an ML.NET model file.</summary>
internal static class CalibratorFile
{
    public const string LoaderSignature = "CalibratorOfMulticlass";

    private enum Sort : byte
    {
        Temperature,
        Vector,
        Isotonic,
        Dirichlet,
    }

    private static VersionInfo GetVersionInfo() => new(
        modelSignature: "MULTICAL",
        verWrittenCur: 0x00010001, // Initial
        verReadableCur: 0x00010001,
        verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature,
        loaderAssemblyName: typeof(CalibratorFile).Assembly.FullName);

    public static void Save(
        IHostEnvironment env, ModelSaveContext ctx, MulticlassCalibrator calibrator, CalibratorColumns columns, LabelValues? labelValues)
    {
        ctx.CheckAtModel();
        ctx.SetVersionInfo(GetVersionInfo());

        // *** Binary format ***
        // checked block:
        //   string: score column, string: predicted label column
        //   byte: sort of calibrator
        //   int: number of classes
        //   parameters (see the calibrator's Write)
        //   bool: has label values; if so, label values

        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(columns.ScoreColumnName);
        writer.Write(columns.PredictedLabelColumnName);
        writer.Write((byte)SortOf(calibrator));
        writer.Write(calibrator.NumberOfClasses);
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
            return Read(env, reader);
        }
        catch (EndOfStreamException e)
        {
            throw CutShort(e);
        }
    }

    /// <summary>Reads the content of the checked block.</summary>
    /// <exception cref="FormatException">It is damaged.</exception>
    internal static MulticlassCalibratorTransformer Read(IHostEnvironment env, BinaryReader reader)
    {
        try
        {
            return ReadTransformer(env, reader);
        }
        catch (IOException e)
        {
            throw CutShort(e); // or a text has a negative length, which BinaryReader tells like this
        }
    }

    private static FormatException CutShort(IOException e) =>
        new("The model file ends in the middle of the calibrator: it is cut short. Copy or save it again.", e);

    private static MulticlassCalibratorTransformer ReadTransformer(IHostEnvironment env, BinaryReader reader)
    {
        var columns = new CalibratorColumns(reader.ReadString(), reader.ReadString());
        var sort = (Sort)reader.ReadByte();
        int numberOfClasses = reader.ReadInt32();
        if (numberOfClasses < 2)
            throw CalibratorReader.Damaged($"it has {numberOfClasses} classes");
        var parameters = new CalibratorReader(reader, numberOfClasses);
        MulticlassCalibrator calibrator = sort switch
        {
            Sort.Temperature => TemperatureCalibrator.Read(parameters),
            Sort.Vector => VectorCalibrator.Read(parameters),
            Sort.Isotonic => OneVersusRestIsotonicCalibrator.Read(parameters, env),
            Sort.Dirichlet => DirichletCalibrator.Read(parameters),
            _ => throw CalibratorReader.Damaged($"its sort is {(byte)sort}"),
        };
        LabelValues? labelValues = reader.ReadBoolean() ? LabelValues.Load(env, reader.BaseStream, numberOfClasses) : null;
        return new MulticlassCalibratorTransformer(env, calibrator, columns, labelValues);
    }

    private static Sort SortOf(MulticlassCalibrator calibrator) => calibrator switch
    {
        TemperatureCalibrator => Sort.Temperature,
        VectorCalibrator => Sort.Vector,
        OneVersusRestIsotonicCalibrator => Sort.Isotonic,
        _ => Sort.Dirichlet,
    };
}
