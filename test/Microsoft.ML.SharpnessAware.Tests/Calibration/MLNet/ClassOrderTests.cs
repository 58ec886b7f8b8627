namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

[TestClass]
public sealed class ClassOrderTests
{
    [TestMethod]
    public void TheSameOrderNeedsNoPlaces()
    {
        Assert.IsNull(ClassOrder.Match(["a", "b", "c"], ["a", "b", "c"], out int[]? places));
        Assert.IsNull(places);
        Assert.IsNull(ClassOrder.Match(["a", "b"], ["a", "b", "c"], out places));
        Assert.IsNull(places);
        Assert.IsNull(ClassOrder.Match(["a", "a"], ["a", "a"], out places));       // nothing to tell apart
        Assert.IsNull(places);
    }

    [TestMethod]
    public void AnotherOrderGivesThePlaceOfEachName()
    {
        Assert.IsNull(ClassOrder.Match(["c", "a"], ["a", "b", "c"], out int[]? places));
        CollectionAssert.AreEqual(new[] { 2, 0 }, places);
    }

    [TestMethod]
    public void OtherNamesAreAProblem()
    {
        AssertProblem("has the class 'fox', which is none of 'cat', 'dog'", ["cat", "fox"], ["cat", "dog"]);
        AssertProblem("has the class 'Cat', which is none of 'cat', 'dog'", ["dog", "Cat"], ["cat", "dog"]);
        AssertProblem("has the class 'eel', which is none of 'cat', 'dog'", ["cat", "dog", "eel"], ["cat", "dog"]);
        AssertProblem("has the class 'dog' twice", ["dog", "dog"], ["cat", "dog"]);
        AssertProblem("cannot be matched by name, because 'cat' is the name of two classes", ["dog", "cat", "eel"], ["cat", "cat", "dog"]);
        AssertProblem("has the class '?', which is none of '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' and 2 more",
            ["?"], [.. Enumerable.Range(0, 12).Select(k => $"{k}")]);

        static void AssertProblem(string problem, string[] names, string[] classes)
        {
            Assert.AreEqual(problem, ClassOrder.Match(names, classes, out int[]? places));
            Assert.IsNull(places);
        }
    }
}
