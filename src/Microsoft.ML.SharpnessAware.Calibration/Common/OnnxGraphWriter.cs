namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Takes the operators of an ONNX graph one after the other, wherever they are written to. Values are named by texts; what an operator
/// means is in the <see href="https://onnx.ai/onnx/operators">ONNX specification</see>.
/// </summary>
/// <remarks>The helpers use only operators that opset 11 has, in a form that is right in every later one.</remarks>
internal abstract class OnnxGraphWriter
{
    // Since then the axes of a reduction are an input.
    private const int SumAxesAreInput = 13, MeanAxesAreInput = 18, MaxAxesAreInput = 18;

    /// <summary>The version of the standard operators.</summary>
    public abstract int OpsetVersion { get; }

    /// <summary>A constant of float32; no dimensions for a single number.</summary>
    public abstract string Constant(float[] values, params long[] dimensions);

    /// <summary>A constant of float64.</summary>
    public abstract string Constant(double[] values, params long[] dimensions);

    /// <summary>A constant of int64.</summary>
    public abstract string Constant(long[] values, params long[] dimensions);

    /// <summary>Adds an operator with one output, and returns that.</summary>
    /// <param name="type">Its type, for example <c>Add</c>.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="attributes">Its attributes: long, int, bool (1 or 0), long[], float or string.</param>
    /// <exception cref="ArgumentException">An attribute is of another type.</exception>
    public abstract string Node(string type, string[] inputs, params (string Name, object Value)[] attributes);

    /// <summary>An attribute's value as ONNX knows it: long, long[], float or string.</summary>
    /// <exception cref="ArgumentException">It is of a type that stands for none of them.</exception>
    protected static object Plain(string name, object value) => value switch
    {
        long or long[] or float or string => value,
        int number => (long)number,
        bool isSet => isSet ? 1L : 0L,
        _ => throw new ArgumentException(
            $"Attribute '{name}' is of type {value.GetType()}; it must be long, int, bool, long[], float or string.", nameof(value)),
    };

    /// <summary>A vector of int64, for shapes and axes.</summary>
    public string Vector(params long[] values) => Constant(values, values.Length);

    /// <summary>Sums along one axis, which stays with length 1 if <paramref name="keepDimensions"/>.</summary>
    public string Sum(string input, long axis, bool keepDimensions = true) =>
        Reduce("ReduceSum", input, SumAxesAreInput, keepDimensions, axis);

    /// <summary>The largest along one axis.</summary>
    public string Max(string input, long axis, bool keepDimensions) =>
        Reduce("ReduceMax", input, MaxAxesAreInput, keepDimensions, axis);

    /// <summary>The mean along axes.</summary>
    public string Mean(string input, bool keepDimensions, params long[] axes) =>
        Reduce("ReduceMean", input, MeanAxesAreInput, keepDimensions, axes);

    /// <summary>Softmax of each row.</summary>
    public string SoftmaxOfRows(string logits) => Node("Softmax", [logits], ("axis", 1L));

    /// <summary>Whether there is a NaN along one axis, which stays with length 1 if <paramref name="keepDimensions"/>.</summary>
    /// <param name="input">float32.</param>
    /// <param name="axis">Along which to look.</param>
    /// <param name="keepDimensions">Whether the axis stays.</param>
    public string AnyNaN(string input, long axis, bool keepDimensions) => Node("IsNaN", [Sum(input, axis, keepDimensions)]);

    /// <summary>Values of another type.</summary>
    /// <param name="input">The values.</param>
    /// <param name="type">A number of ONNX's TensorProto.DataType; see <see cref="OnnxType"/>.</param>
    public string Cast(string input, OnnxType type) => Node("Cast", [input], ("to", (long)type));

    private string Reduce(string type, string input, int axesAreInput, bool keepDimensions, params long[] axes)
    {
        (string, object) keep = ("keepdims", keepDimensions ? 1L : 0L);
        return OpsetVersion >= axesAreInput
            ? Node(type, [input, Vector(axes)], keep)
            : Node(type, [input], keep, ("axes", axes));
    }
}
