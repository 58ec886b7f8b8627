using System.Text;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware;

[assembly: LoadableClass(typeof(ITransformer), typeof(DecisionFile), null, typeof(SignatureLoadModel),
    "Prediction sets and abstention", DecisionFile.LoaderSignature)]

namespace Microsoft.ML.SharpnessAware;

/// <summary>A fitted decision inside an ML.NET model file.</summary>
internal static class DecisionFile
{
    public const string LoaderSignature = "MulticlassDecision";

    private enum Kind : byte
    {
        PredictionSets,
        Abstention,
        PredictionSetsByClass,
        RoundedPredictionSets,
    }

    private static VersionInfo GetVersionInfo(Kind kind) => new(
        modelSignature: "MULTIDEC",
        // verWrittenCur: 0x00010001, // Initial
        // verWrittenCur: 0x00010002, // Sets with a threshold for each class have a kind of their own
        verWrittenCur: 0x00010003, // Sets whose random numbers are drawn by rounded probabilities have a kind of their own
        verReadableCur: kind switch
        {
            Kind.RoundedPredictionSets => 0x00010003,
            Kind.PredictionSetsByClass => 0x00010002,
            _ => 0x00010001,
        },
        verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature,
        loaderAssemblyName: typeof(DecisionFile).Assembly.FullName);

    // *** Binary format ***
    // checked block:
    //   byte: kind of decision
    //   string: label column, string: score column, string: output column, byte: kind of score
    //   int: number of classes, long: fitted rows
    //   prediction sets: byte: kind of nonconformity, int: seed, double: penalty, int: free ranks, double: coverage, int: thresholds,
    // double each
    //   prediction sets by class: as prediction sets (which they were in the first version), then for each threshold long: fitted rows
    //   rounded prediction sets: as prediction sets by class, of one threshold, too
    //   abstention: double: accuracy, double: confidence, double: threshold, long: accepted, long: right
    //   bool: has label values; if so, label values

    /// <param name="env">For writing label values.</param>
    /// <param name="ctx">Where to.</param>
    /// <param name="decision">Prediction sets or abstention.</param>
    public static void Save(IHostEnvironment env, ModelSaveContext ctx, ITransformer decision)
    {
        ctx.CheckAtModel();
        ctx.SetVersionInfo(GetVersionInfo(KindOf(decision)));
        CheckedBlock.Write(ctx.Writer, ToBytes(env, decision));
    }

    /// <summary>The content of the checked block, which <see cref="Read"/> reads.</summary>
    public static byte[] ToBytes(IHostEnvironment env, ITransformer decision) => decision is PredictionSetTransformer sets
        ? ToBytes(env, KindOf(sets), sets.Columns, sets.NumberOfClasses, sets.FittedRows, sets.Classes, writer =>
        {
            writer.Write((byte)sets.Kind.Score);
            writer.Write(sets.Kind.Seed);
            writer.Write(sets.Kind.Penalty);
            writer.Write(sets.Kind.FreeRanks);
            writer.Write(sets.CoverageAsked);
            writer.Write(sets.ThresholdArray.Length);
            foreach (double threshold in sets.ThresholdArray)
                writer.Write(threshold);
            if (KindOf(sets) != Kind.PredictionSets)
                foreach (long fitted in sets.RowsOfThresholds)
                    writer.Write(fitted);
        })
        : ToBytes(env, (AbstentionTransformer)decision);

    // Sets of an older file stay what they are; those by class have nothing that the newer form would tell. Those that draw nothing can be
    // read by older versions.
    private static Kind KindOf(ITransformer decision) => decision is not PredictionSetTransformer sets ? Kind.Abstention
        : !sets.Kind.DrawsByAllBits && sets.Score != PredictionSetScore.LeastAmbiguous ? Kind.RoundedPredictionSets
        : sets.RowsOfThresholds.Length > 1 ? Kind.PredictionSetsByClass : Kind.PredictionSets;

    private static byte[] ToBytes(IHostEnvironment env, AbstentionTransformer abstention) => ToBytes(env, Kind.Abstention,
        abstention.Columns, abstention.NumberOfClasses, abstention.FittedRows, abstention.Classes, writer =>
        {
            writer.Write(abstention.AccuracyAsked);
            writer.Write(abstention.ConfidenceAsked);
            writer.Write(abstention.Threshold);
            writer.Write(abstention.Choice.Accepted);
            writer.Write(abstention.Choice.Right);
        });

    private static byte[] ToBytes(IHostEnvironment env, Kind kind, DecisionColumns columns, int numberOfClasses, long rows,
        LabelValues? classes, Action<BinaryWriter> writeRest)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write((byte)kind);
        writer.Write(columns.LabelColumnName);
        writer.Write(columns.ScoreColumnName);
        writer.Write(columns.OutputColumnName);
        writer.Write((byte)columns.ScoreKind);
        writer.Write(numberOfClasses);
        writer.Write(rows);
        writeRest(writer);
        writer.Write(classes is not null);
        writer.Flush();
        classes?.Save(env, stream);
        return stream.ToArray();
    }

    // Found by ML.NET by this name and signature.
    private static ITransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(GetVersionInfo(Kind.RoundedPredictionSets));
        try
        {
            using var reader = new BinaryReader(new MemoryStream(CheckedBlock.Read(ctx.Reader, "decision"), writable: false),
                Encoding.UTF8);
            return Read(env, reader);
        }
        catch (EndOfStreamException e)
        {
            throw CutShort(e);
        }
    }

    /// <summary>Reads the content of the checked block.</summary>
    /// <exception cref="FormatException">It is damaged.</exception>
    internal static ITransformer Read(IHostEnvironment env, BinaryReader reader)
    {
        try
        {
            return ReadDecision(env, reader);
        }
        catch (IOException e)
        {
            throw CutShort(e); // or a text has a negative length, which BinaryReader tells like this
        }
    }

    private static FormatException CutShort(IOException e) =>
        new("The model file ends in the middle of the decision: it is cut short. Copy or save it again.", e);

    private static ITransformer ReadDecision(IHostEnvironment env, BinaryReader reader)
    {
        var kind = (Kind)reader.ReadByte();
        var columns = new DecisionColumns(reader.ReadString(), reader.ReadString(), reader.ReadString(), (ScoreKind)reader.ReadByte());
        int classes = reader.ReadInt32();
        long rows = reader.ReadInt64();
        Check(Enum.IsDefined(kind) && Enum.IsDefined(columns.ScoreKind) && classes >= 2 && rows >= 0);
        return kind == Kind.Abstention ? ReadAbstention() : ReadSets();

        PredictionSetTransformer ReadSets()
        {
            var nonconformity = new Nonconformity((PredictionSetScore)reader.ReadByte(), reader.ReadInt32(), reader.ReadDouble(),
                reader.ReadInt32())
            {
                DrawsByAllBits = kind != Kind.RoundedPredictionSets,
            };
            double coverage = reader.ReadDouble();
            int count = reader.ReadInt32();
            Check(Enum.IsDefined(nonconformity.Score) && nonconformity.Penalty >= 0 && coverage is > 0 and < 1
                && (count == 1 || count == classes)
                && count <= (reader.BaseStream.Length - reader.BaseStream.Position) / sizeof(double));
            double[] thresholds = new double[count];
            for (int k = 0; k < count; k++)
                thresholds[k] = reader.ReadDouble();
            Check(!thresholds.Any(double.IsNaN));
            long[] fitted = kind == Kind.PredictionSets ? (count == 1 ? [rows] : []) : ReadRows(count);
            return new PredictionSetTransformer(env, columns, nonconformity, coverage, thresholds, classes, rows, fitted, ReadClasses());
        }

        long[] ReadRows(int count)
        {
            Check(count == classes || kind == Kind.RoundedPredictionSets);
            long[] fitted = new long[count];
            for (int k = 0; k < count; k++)
                fitted[k] = reader.ReadInt64();
            Check(fitted.All(ofClass => ofClass >= 0 && ofClass <= rows));
            return fitted;
        }

        AbstentionTransformer ReadAbstention()
        {
            double accuracy = reader.ReadDouble(), confidence = reader.ReadDouble();
            var choice = new AbstentionChoice(reader.ReadDouble(), reader.ReadInt64(), reader.ReadInt64(), 0, 0);
            Check(accuracy is > 0 and < 1 && confidence is > 0 and < 1 && choice.Threshold >= 0);
            return new AbstentionTransformer(env, columns, accuracy, confidence, choice, rows, classes, ReadClasses());
        }

        LabelValues? ReadClasses() => reader.ReadBoolean() ? LabelValues.Load(env, reader.BaseStream, classes) : null;
    }

    private static void Check(bool isUsable)
    {
        if (!isUsable)
            throw new FormatException("The decision in the model file cannot be used: it is damaged. Copy or save it again.");
    }
}
