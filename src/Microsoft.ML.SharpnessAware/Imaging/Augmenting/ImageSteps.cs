namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What is to be done to one image, in order: changes of colour, and between them changes of geometry, which are put together to one where
/// they follow each other, so that an image is not interpolated more often than it must.
/// </summary>
internal sealed class ImageSteps
{
    private readonly List<(AffineMap Before, ColorOperation Operation, float Strength)> _colors = [];

    /// <summary>Each change of colour, with the geometry before it.</summary>
    public IReadOnlyList<(AffineMap Before, ColorOperation Operation, float Strength)> Colors => _colors;

    /// <summary>The geometry after the last change of colour.</summary>
    public AffineMap Last { get; private set; } = AffineMap.Identity;

    public void Add(AffineMap map) => Last = Last.Then(map);

    public void Add(ColorOperation operation, double strength)
    {
        _colors.Add((Last, operation, (float)strength));
        Last = AffineMap.Identity;
    }
}
