using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Prediction sets or abstention in an ONNX file: outputs behind Score and PredictedLabel, and what was asked as
/// metadata.</summary>
internal sealed class OnnxDecision
{
    private readonly List<(string Value, string Name, OnnxType Type, bool OfClasses)> _outputs = [];
    private readonly List<(string Key, string Value)> _metadata = [];

    private OnnxDecision()
    {
    }

    /// <summary>The names of the columns that a decision adds; none of what is no decision.</summary>
    public static IReadOnlyList<string> OutputsOf(ITransformer transformer) => transformer switch
    {
        AbstentionTransformer abstention => [abstention.Columns.OutputColumnName],
        PredictionSetTransformer sets => [sets.Columns.OutputColumnName, sets.Columns.SizeColumnName],
        _ => [],
    };

    /// <param name="graph">Where to.</param>
    /// <param name="transformer">The decision.</param>
    /// <param name="schema">The columns that it is given.</param>
    /// <param name="scores">float32 [rows, classes].</param>
    /// <exception cref="NotSupportedException">The sets cannot be written.</exception>
    public static OnnxDecision Add(OnnxGraphWriter graph, ITransformer transformer, DataViewSchema schema, string scores)
    {
        var decision = new OnnxDecision();
        if (transformer is AbstentionTransformer abstention)
        {
            _ = abstention.GetOutputSchema(schema);      // refuses scores of other classes
            decision._outputs.Add((graph.Node("Greater", abstention.AddTo(graph, scores, keepDimensions: false)),
                abstention.Columns.OutputColumnName, OnnxType.Boolean, false));
            decision._metadata.AddRange([("abstention_accuracy", Text(abstention.AccuracyAsked)),
                ("abstention_confidence", Text(abstention.ConfidenceAsked)), ("abstention_threshold", Text(abstention.Threshold))]);
            return decision;
        }

        var sets = (PredictionSetTransformer)transformer;
        string holds = sets.CreateMapper(schema).AddTo(graph, scores);
        string size = graph.Sum(graph.Cast(holds, OnnxType.Int64), 1, keepDimensions: false);
        decision._outputs.AddRange([(holds, sets.Columns.OutputColumnName, OnnxType.Boolean, true),
            (size, sets.Columns.SizeColumnName, OnnxType.Int64, false)]);
        decision._metadata.AddRange([("prediction_set_coverage", Text(sets.CoverageAsked)),
            ("prediction_set_thresholds", JsonSerializer.Serialize([.. sets.Thresholds.Select(Text)], JsonLists.Default.StringArray))]);
        return decision;
    }

    public void AddOutputs(OnnxFileWriter file, string rows, int numberOfClasses)
    {
        foreach ((string value, string name, OnnxType type, bool ofClasses) in _outputs)
            file.AddOutput(value, name, type, ofClasses ? [rows, numberOfClasses] : [rows]);
        foreach ((string key, string value) in _metadata)
            file.AddMetadata(file.HasMetadata(key) ? $"{key}_{_outputs[0].Name}" : key, value);
    }

    private static string Text(double number) => number.ToString("R", CultureInfo.InvariantCulture);
}
