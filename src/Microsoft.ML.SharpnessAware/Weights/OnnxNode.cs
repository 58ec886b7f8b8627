namespace Microsoft.ML.SharpnessAware;

/// <summary>An operator of an ONNX graph.</summary>
/// <param name="Type">Its sort, such as Conv.</param>
/// <param name="Name">Its name, for messages; may be empty.</param>
/// <param name="Inputs">The values and constants that it reads.</param>
/// <param name="Outputs">The values that it makes.</param>
/// <param name="Integers">Attributes that are whole numbers, one or several.</param>
/// <param name="Floats">Attributes that are a number.</param>
internal sealed record OnnxNode(
    string Type,
    string Name,
    IReadOnlyList<string> Inputs,
    IReadOnlyList<string> Outputs,
    IReadOnlyDictionary<string, IReadOnlyList<long>> Integers,
    IReadOnlyDictionary<string, float> Floats)
{
    /// <summary>Whether an attribute has these values, or is left out and they are its default.</summary>
    public bool Has(string attribute, IReadOnlyList<long> values, bool isDefault) =>
        Integers.TryGetValue(attribute, out IReadOnlyList<long>? given) ? given.SequenceEqual(values) : isDefault;
}
