using System.Globalization;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Another culture until disposed.</summary>
internal sealed class CultureScope : IDisposable
{
    private readonly CultureInfo _previous = CultureInfo.CurrentCulture;

    public CultureScope(string name)
    {
        CultureInfo.CurrentCulture = new CultureInfo(name);
        Assert.AreEqual(",", CultureInfo.CurrentCulture.NumberFormat.NumberDecimalSeparator);
    }

    public void Dispose() => CultureInfo.CurrentCulture = _previous;
}
