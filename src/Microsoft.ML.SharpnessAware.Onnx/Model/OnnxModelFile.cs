using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The classifier inside an ML.NET model file: names of columns, and the ONNX file as it is.</summary>
internal static class OnnxModelFile
{
    public const string LoaderSignature = "OnnxImageClassifier";
    private const string ModelName = "model.onnx";

    private static VersionInfo VersionInfo => new(
        modelSignature: "ONNXIMGC", verWrittenCur: 0x00010001, verReadableCur: 0x00010001, verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature, loaderAssemblyName: typeof(OnnxModelFile).Assembly.FullName!);

    public static void Save(ModelSaveContext ctx, byte[] file, OnnxColumnNames names)
    {
        // *** Binary format ***
        // int, int, int: ids of the names of the feature, score and predicted-label columns
        // Stream model.onnx: the file
        ctx.CheckAtModel();
        ctx.SetVersionInfo(VersionInfo);
        ctx.SaveNonEmptyString(names.Feature);
        ctx.SaveNonEmptyString(names.Score);
        ctx.SaveNonEmptyString(names.PredictedLabel);
        ctx.SaveBinaryStream(ModelName, writer => writer.Write(file));
    }

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="FormatException">The file is damaged.</exception>
    public static (OnnxClassifier Classifier, OnnxColumnNames Names) Load(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(VersionInfo);
        var names = new OnnxColumnNames(ctx.LoadNonEmptyString(), ctx.LoadNonEmptyString(), ctx.LoadNonEmptyString());
        using var file = new MemoryStream();
        if (!ctx.TryLoadBinaryStream(ModelName, reader => reader.BaseStream.CopyTo(file)))
            throw new FormatException($"The model file has no {ModelName}: it is damaged. Copy or save it again.");
        return (OnnxClassifier.Load(env, file.ToArray(), $"The {ModelName} in the model file", configure: null), names);
    }
}
