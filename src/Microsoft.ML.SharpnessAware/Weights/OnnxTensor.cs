using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A constant of an ONNX graph; its elements are a piece of the file.</summary>
/// <param name="Name">What operators call it by.</param>
/// <param name="Shape">Its sizes.</param>
/// <param name="IsFloat">Whether the elements are float32.</param>
/// <param name="Elements">The elements, little-endian; null where they are not in the file, or in a form that is not read.</param>
internal sealed record OnnxTensor(string Name, IReadOnlyList<long> Shape, bool IsFloat, ReadOnlyMemory<byte>? Elements)
{
    /// <summary>A new tensor of these elements.</summary>
    /// <exception cref="InvalidDataException">They are not there, not float32, or not as many as the expected shape has.</exception>
    public Tensor ToTensor(params long[] expected)
    {
        if (!Shape.SequenceEqual(expected))
            throw Invalid($"has the shape [{string.Join(", ", Shape)}], and [{string.Join(", ", expected)}] is expected");
        if (!IsFloat)
            throw Invalid("is not of float32 numbers");
        if (Elements is not { } elements)
            throw Invalid("has its numbers in another file, or in a form that is not read");
        long bytes = expected.Aggregate((long)sizeof(float), (product, size) => product * size);
        if (elements.Length != bytes)
            throw Invalid($"has {elements.Length} bytes of numbers where its shape takes {bytes}");

        Tensor tensor = empty(expected, dtype: float32, device: CPU);
        elements.Span.CopyTo(tensor.bytes);
        return tensor;
    }

    private InvalidDataException Invalid(string problem) => new($"The constant '{PrintableText.Of(Name)}' {problem}.");
}
