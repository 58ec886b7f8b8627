using Microsoft.ML.SharpnessAware;

namespace Microsoft.ML;

/// <summary>Pictures of a reliability diagram.</summary>
public static class ReliabilityDiagramExtensions
{
    /// <summary>
    /// Saves the diagram as a PNG picture of 1280 × 1520 pixels: above, the accuracy of each bin against the diagonal, with the gap to the
    /// mean confidence hatched; below, the share of rows in each bin with lines at the accuracy and the mean confidence. ECE, accuracy,
    /// mean confidence and the number of rows are written above.
    /// </summary>
    /// <param name="diagram">The diagram.</param>
    /// <param name="path">The file to write. Its folder is created if need be; an existing file is replaced, but only once the new one is
    /// complete.</param>
    /// <param name="title">The heading; "Reliability diagram" by default.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void SavePng(this ReliabilityDiagram diagram, string path, string? title = null) =>
        ReliabilityFigure.Create(diagram, title).SavePng(path);

    /// <summary>Saves the diagram as an SVG picture: the same picture as <see cref="SavePng"/> in vectors, with its texts as
    /// text.</summary>
    /// <param name="diagram">The diagram.</param>
    /// <param name="path">The file to write. Its folder is created if need be; an existing file is replaced, but only once the new one is
    /// complete.</param>
    /// <param name="title">The heading; "Reliability diagram" by default.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void SaveSvg(this ReliabilityDiagram diagram, string path, string? title = null) =>
        ReliabilityFigure.Create(diagram, title).SaveSvg(path);
}
