using Microsoft.ML;
using Microsoft.ML.Data;

namespace SignDigitsSample;

/// <summary>A model that names the digit that a hand shows.</summary>
public partial class SignDigits
{
    /// <summary>What the model takes.</summary>
    public class ModelInput
    {
        /// <summary>The class; unknown when predicting.</summary>
        [LoadColumn(0)]
        [ColumnName("Label")]
        public string Label { get; set; } = "";

        /// <summary>The image file's bytes.</summary>
        [LoadColumn(1)]
        [ColumnName("ImageSource")]
        public byte[] ImageSource { get; set; } = [];
    }

    /// <summary>What the model gives.</summary>
    public class ModelOutput
    {
        /// <summary>The key of the input's label.</summary>
        [ColumnName("Label")]
        public uint Label { get; set; }

        /// <summary>The image file's bytes.</summary>
        [ColumnName("ImageSource")]
        public byte[] ImageSource { get; set; } = [];

        /// <summary>The most probable class.</summary>
        [ColumnName("PredictedLabel")]
        public string PredictedLabel { get; set; } = "";

        /// <summary>The probability of each class, calibrated.</summary>
        [ColumnName("Score")]
        public float[] Score { get; set; } = [];
    }

    /// <summary>Where <see cref="PredictEngine"/> finds the model.</summary>
    public static string MLNetModelPath { get; set; } = Path.GetFullPath("SignDigits.mlnet");

    /// <summary>Loaded when first used. A prediction engine serves one thread at a time.</summary>
    public static readonly Lazy<PredictionEngine<ModelInput, ModelOutput>> PredictEngine = new(CreatePredictEngine, true);

    private static PredictionEngine<ModelInput, ModelOutput> CreatePredictEngine()
    {
        var mlContext = new MLContext();
        ITransformer mlModel = mlContext.Model.Load(MLNetModelPath, out _);
        return mlContext.Model.CreatePredictionEngine<ModelInput, ModelOutput>(mlModel);
    }

    /// <summary>Predicts one image's class.</summary>
    public static ModelOutput Predict(ModelInput input) => PredictEngine.Value.Predict(input);

    /// <summary>The probabilities of all classes for one image, the most probable first.</summary>
    public static IOrderedEnumerable<KeyValuePair<string, float>> PredictAllLabels(ModelInput input) =>
        GetSortedScoresWithLabels(Predict(input));

    /// <summary>The probabilities of a prediction with the names of their classes, the most probable first.</summary>
    public static IOrderedEnumerable<KeyValuePair<string, float>> GetSortedScoresWithLabels(ModelOutput result)
    {
        var unlabeledScores = result.Score;
        var labelNames = GetLabels(result);

        var labeledScores = new Dictionary<string, float>();
        for (int i = 0; i < labelNames.Count(); i++)
            labeledScores.Add(labelNames.ElementAt(i), unlabeledScores[i]);
        return labeledScores.OrderByDescending(score => score.Value);
    }

    // The classes in the order of Score: the key values of the column Label.
    private static IEnumerable<string> GetLabels(ModelOutput result)
    {
        DataViewSchema schema = PredictEngine.Value.OutputSchema;
        DataViewSchema.Column? labelColumn = schema.GetColumnOrNull("Label")
            ?? throw new InvalidOperationException("Label column not found. Make sure the name searched for matches the name in the " +
                "schema.");

        var keyNames = new VBuffer<ReadOnlyMemory<char>>();
        labelColumn.Value.GetKeyValues(ref keyNames);
        return keyNames.DenseValues().Select(name => name.ToString());
    }
}
