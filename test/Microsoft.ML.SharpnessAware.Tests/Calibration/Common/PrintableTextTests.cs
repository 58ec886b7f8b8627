namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class PrintableTextTests
{
    [TestMethod]
    [DataRow("Žluťoučký 図 😀 <&>", "Žluťoučký 図 😀 <&>")]
    [DataRow("two\r\nlines\tand\u2028more", "two  lines and more")]
    [DataRow("nul\0 bell\a escape\u001b del\u007f", "nul  bell  escape  del ")]
    [DataRow("no\uFFFEcharacter", "no\uFFFDcharacter")]
    [DataRow("", "")]
    [DataRow(null, "")]
    public void OneLineThatXmlCanHold(string? text, string expected) => Assert.AreEqual(expected, PrintableText.Of(text));

    [TestMethod]
    public void ALoneSurrogateIsReplaced() => Assert.AreEqual("a\uFFFDb", PrintableText.Of("a" + (char)0xD800 + "b"));
}
