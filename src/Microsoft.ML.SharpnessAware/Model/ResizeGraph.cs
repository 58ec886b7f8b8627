namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// <see cref="ImageScaler"/> as operators, for pictures of any size: two products of matrices, whose weights (those of <see
/// cref="AxisWeights"/>) the graph works out from the size of each input. ONNX's own Resize averages in another way.
/// </summary>
internal sealed class ResizeGraph(OnnxGraphWriter graph, ImageShape target, ResizingKind mode)
{
    /// <summary>From [rows, channels, any height, any width] to the target's size; float32, rounded to whole numbers.</summary>
    public string Add(string pixels)
    {
        string height = Size(pixels, 2), width = Size(pixels, 3);
        (Axis vertical, Axis horizontal) = mode switch
        {
            ResizingKind.IsoCrop => Cropped(height, width),
            ResizingKind.IsoPad => Padded(height, width),
            _ => (new Axis(height, target.Height, Number(0), height, Number(target.Height), Number(0)),
                new Axis(width, target.Width, Number(0), width, Number(target.Width), Number(0))),
        };
        string rows = graph.Node("MatMul", [Weights(vertical), pixels]);
        string both = graph.Node("MatMul", [rows, graph.Node("Transpose", [Weights(horizontal)], ("perm", (long[])[1, 0]))]);
        string rounded = graph.Node("Floor", [graph.Node("Add", [both, graph.Constant([0.5f], 1)])]);
        return graph.Node("Min", [rounded, graph.Constant([255f], 1)]);
    }

    private (Axis Vertical, Axis Horizontal) Cropped(string height, string width)
    {
        string scale = Max(Divide(Number(target.Height), height), Divide(Number(target.Width), width));
        return (Middle(height, target.Height), Middle(width, target.Width));

        Axis Middle(string source, int size)
        {
            string length = Min(source, Divide(Number(size), scale));
            string from = Divide(Subtract(source, length), Number(2));
            return new Axis(source, size, from, length, Number(size), Number(0));
        }
    }

    private (Axis Vertical, Axis Horizontal) Padded(string height, string width)
    {
        string scale = Min(Divide(Number(target.Height), height), Divide(Number(target.Width), width));
        return (Fitted(height, target.Height), Fitted(width, target.Width));

        Axis Fitted(string source, int size)
        {
            string rounded = graph.Node("Round", [Multiply(source, scale)]);
            string filled = Min(Max(rounded, Number(1)), Number(size));
            string first = graph.Node("Floor", [Divide(Subtract(Number(size), filled), Number(2))]);
            return new Axis(source, size, Number(0), source, filled, first);
        }
    }

    /// <summary>[target, source]: how much of each source pixel makes a target pixel, float32.</summary>
    private string Weights(Axis axis)
    {
        double[] places = [.. Enumerable.Range(0, axis.Target).Select(i => (double)i)];
        string i = Subtract(graph.Constant(places, axis.Target, 1), axis.First);
        string scalar = graph.Node("Reshape", [axis.Source, graph.Constant(Array.Empty<long>(), 0)]);
        string k = graph.Node("Range", [graph.Constant([0.0]), scalar, graph.Constant([1.0])]);
        string scale = Divide(axis.Length, axis.Filled);

        string from = Add(axis.From, Multiply(i, scale));
        string overlap = Subtract(Min(Add(from, scale), Add(k, Number(1))), Max(from, k));
        string average = Divide(Max(overlap, Number(0)), scale);

        string centre = Subtract(Add(axis.From, Multiply(Add(i, Number(0.5)), scale)), Number(0.5));
        string inside = Min(Max(centre, Number(0)), Subtract(axis.Source, Number(1)));
        string distance = graph.Node("Abs", [Subtract(k, inside)]);
        string interpolation = Max(Subtract(Number(1), distance), Number(0));

        string weights = graph.Node("Where", [graph.Node("Less", [scale, Number(1)]), interpolation, average]);
        string isOutside = graph.Node("Or", [graph.Node("Less", [i, Number(0)]),
            graph.Node("Less", [Subtract(axis.Filled, Number(0.5)), i])]);
        return graph.Cast(graph.Node("Where", [isOutside, Number(0), weights]), OnnxType.Float32);
    }

    private string Size(string pixels, long dimension) =>
        graph.Cast(graph.Node("Gather", [graph.Node("Shape", [pixels]), graph.Vector(dimension)]), OnnxType.Float64);

    private string Number(double value) => graph.Constant([value], 1);

    private string Add(string left, string right) => graph.Node("Add", [left, right]);

    private string Subtract(string left, string right) => graph.Node("Sub", [left, right]);

    private string Multiply(string left, string right) => graph.Node("Mul", [left, right]);

    private string Divide(string left, string right) => graph.Node("Div", [left, right]);

    private string Min(string left, string right) => graph.Node("Min", [left, right]);

    private string Max(string left, string right) => graph.Node("Max", [left, right]);

    /// <summary>One axis; sizes are values of the graph, float64.</summary>
    /// <param name="Source">Pixels of the source.</param>
    /// <param name="Target">Pixels of the target.</param>
    /// <param name="From">Where the part of the source that is used begins.</param>
    /// <param name="Length">How long that is.</param>
    /// <param name="Filled">How many pixels of the target are filled.</param>
    /// <param name="First">The first of those.</param>
    private sealed record Axis(string Source, int Target, string From, string Length, string Filled, string First);
}
