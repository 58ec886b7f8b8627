using System.Globalization;
using OxyPlot;

namespace Microsoft.ML.SharpnessAware;

/// <summary>A plot in a figure. The place includes the plot's margins, where its axes are labelled.</summary>
internal sealed class PlotPanel(PlotModel plot, OxyRect place) : IFigurePart
{
    public void Render(IRenderContext context)
    {
        plot.DefaultFont = FigureRenderContext.FontFamilies;
        plot.Culture = CultureInfo.InvariantCulture;
        ((IPlotModel)plot).Update(true);
        ((IPlotModel)plot).Render(context, place);
        if (plot.GetLastPlotException() is Exception exception)
            throw new InvalidOperationException("The picture cannot be drawn.", exception);     // OxyPlot only draws the message
    }
}
