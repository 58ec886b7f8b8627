using Microsoft.ML;
using Microsoft.ML.Transforms;

namespace MLSharpness.Cli;

/// <summary>Images of a folder that has one sub-folder for each class, with the label as a key.</summary>
internal static class Images
{
    public static IDataView Load(MLContext mlContext, string folder) => mlContext.Data.LoadImagesFromFolder(folder);

    /// <summary>Label to key, in the order of the names.</summary>
    public static IEstimator<ITransformer> LabelsToKeys(MLContext mlContext) =>
        mlContext.Transforms.Conversion.MapValueToKey("Label", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue);
}
