namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class SharpnessAwareMethodTests
{
    [TestMethod]
    public void FactoriesSetTheSwitchesOfTheirPapers()
    {
        Assert.AreEqual(new SharpnessAwareMethod { Rho = 0, NormalizeAscent = true }, SharpnessAwareMethod.Standard);
        Assert.AreEqual(new SharpnessAwareMethod { Rho = 0.05 }, SharpnessAwareMethod.Sam());
        Assert.AreEqual(new SharpnessAwareMethod { Rho = 0.05, Renormalize = true }, SharpnessAwareMethod.Ssam());
        Assert.AreEqual(new SharpnessAwareMethod { Rho = 0.05, Gamma = 1 }, SharpnessAwareMethod.Csam());
        Assert.AreEqual(new SharpnessAwareMethod { Rho = 0.5, Adaptive = true }, SharpnessAwareMethod.Asam());
        Assert.IsTrue(SharpnessAwareMethod.Sam().NormalizeAscent);
    }

    [TestMethod]
    [DataRow(-0.1)]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    public void RhoMustBeFiniteAndNotNegative(double rho)
    {
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => SharpnessAwareMethod.Sam(rho));
        Assert.AreEqual("Rho", e.ParamName);
        Assert.AreEqual(rho, e.ActualValue);
        StringAssert.Contains(e.Message, "at least 0");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => SharpnessAwareMethod.Standard with { Rho = rho });
    }

    [TestMethod]
    [DataRow(-1e-9)]
    [DataRow(2.001)]
    [DataRow(double.NaN)]
    public void GammaMustLieBetweenZeroAndTwo(double gamma)
    {
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => SharpnessAwareMethod.Csam(gamma: gamma));
        Assert.AreEqual("Gamma", e.ParamName);
        StringAssert.Contains(e.Message, "[0, 2]");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => SharpnessAwareMethod.Sam() with { Gamma = gamma });
    }

    [TestMethod]
    public void TextNamesTheMethodAndItsNumbersInEveryCulture()
    {
        System.Globalization.CultureInfo before = System.Globalization.CultureInfo.CurrentCulture;
        System.Globalization.CultureInfo.CurrentCulture = new("de-DE");
        try
        {
            Assert.AreEqual("Standard", SharpnessAwareMethod.Standard.ToString());
            Assert.AreEqual("SAM (ρ = 0.05)", SharpnessAwareMethod.Sam().ToString());
            Assert.AreEqual("SSAM (ρ = 0.1)", SharpnessAwareMethod.Ssam(0.1).ToString());
            Assert.AreEqual("CSAM (ρ = 0.05, γ = 1)", SharpnessAwareMethod.Csam().ToString());
            Assert.AreEqual("ASAM (ρ = 0.5)", SharpnessAwareMethod.Asam().ToString());
            Assert.AreEqual("USAM (ρ = 0.05)", (SharpnessAwareMethod.Sam() with { NormalizeAscent = false }).ToString());
            Assert.AreEqual("SSAM + CSAM (ρ = 0.05, γ = 1)", (SharpnessAwareMethod.Csam() with { Renormalize = true }).ToString());
            Assert.AreEqual("CSAM (ρ = 0, γ = 0.5)", SharpnessAwareMethod.Csam(0, 0.5).ToString());
        }
        finally
        {
            System.Globalization.CultureInfo.CurrentCulture = before;
        }
    }
}
