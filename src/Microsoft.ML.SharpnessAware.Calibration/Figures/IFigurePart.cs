using OxyPlot;

namespace Microsoft.ML.SharpnessAware;

/// <summary>One thing in a <see cref="Figure"/>, which knows its own place.</summary>
internal interface IFigurePart
{
    void Render(IRenderContext context);
}
