using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Writes into the graph that ML.NET's ConvertToOnnx builds.</summary>
/// <param name="context">The graph.</param>
/// <param name="prefix">Begins the names of values and operators. A constant's name must not be that of a column.</param>
internal sealed class OnnxContextWriter(OnnxContext context, string prefix) : OnnxGraphWriter
{
    private const string StandardOperators = "";
    private const int OldestOpset = 11, NewestOpset = 12; // what ML.NET lets one ask for ends with 12

    /// <summary>Opset 11 stands for all that ML.NET can write: which one it writes, its context does not tell.</summary>
    public override int OpsetVersion => OldestOpset;

    /// <exception cref="ArgumentOutOfRangeException">The graph is of an older opset.</exception>
    public void CheckOpset(string what)
    {
        try
        {
            context.CheckOpSetVersion(OldestOpset, what);
        }
        catch (ArgumentOutOfRangeException exception)
        {
            throw new ArgumentOutOfRangeException(
                $"{what} needs opset {OldestOpset} or {NewestOpset}; ConvertToOnnx was asked for an older one.", exception);
        }
    }

    public override string Constant(float[] values, params long[] dimensions) => dimensions.Length == 0
        ? context.AddInitializer(values[0], Name("constant"))
        : context.AddInitializer(values, dimensions, Name("constant"));

    public override string Constant(double[] values, params long[] dimensions) => dimensions.Length == 0
        ? context.AddInitializer(values[0], Name("constant"))
        : context.AddInitializer(values, dimensions, Name("constant"));

    public override string Constant(long[] values, params long[] dimensions) => dimensions.Length == 0
        ? context.AddInitializer(values[0], Name("constant"))
        : context.AddInitializer(values, dimensions, Name("constant"));

    public override string Node(string type, string[] inputs, params (string Name, object Value)[] attributes)
    {
        string output = context.AddIntermediateVariable(null, Name(type), skip: true);
        Add(type, inputs, output, attributes);
        return output;
    }

    /// <summary>Adds an operator whose output is a column; later steps of the pipeline look for its type.</summary>
    public void Column(string type, string[] inputs, string columnName, DataViewType columnType,
        params (string Name, object Value)[] attributes) =>
        Add(type, inputs, context.AddIntermediateVariable(columnType, columnName), attributes);

    private void Add(string type, string[] inputs, string output, (string Name, object Value)[] attributes)
    {
        var node = context.CreateNode(type, inputs, [output], context.GetNodeName(Name(type)), StandardOperators);
        foreach ((string name, object value) in attributes)
        {
            switch (Plain(name, value))
            {
                case long number: node.AddAttribute(name, number); break;
                case long[] numbers: node.AddAttribute(name, numbers); break;
                case float number: node.AddAttribute(name, number); break;
                case string text: node.AddAttribute(name, text); break;
            }
        }
    }

    private string Name(string what) => $"{prefix}.{what}";
}
