using System.Reflection;
using System.Reflection.Emit;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class FieldContentTests
{
    [TestMethod]
    public void AMethodIsItsSwitchesAndNumbersByName() => CollectionAssert.AreEqual(
        new[]
        {
            "Method = SharpnessAwareMethod", "Method.Adaptive = False", "Method.Gamma = 1", "Method.NormalizeAscent = True",
                "Method.Renormalize = False",
            "Method.Rho = 0.05",
        },
        Of("Method", SharpnessAwareMethod.Csam(
            )).Where(line => !line.Contains("Late") && !line.Contains("Share") && !line.Contains("Period")).ToArray());

    [TestMethod]
    public void ValuesOfAllKindsAreTextsOfTheirContent()
    {
        AreDifferent(null, "none");
        AreDifferent(new[] { 1, 2 }, new[] { 1, 3 });
        AreDifferent(new double[1000], new double[1000] is var other && (other[999] = 1e-300) > 0 ? other : null);
        AreDifferent(new List<string> { "a", "b" }, new List<string> { "b", "a" });
        AreDifferent(new Dictionary<string, int> { ["a"] = 1 }, new Dictionary<string, int> { ["a"] = 2 });
        AreDifferent((1, "a"), (1, "b"));
        AreDifferent(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
        AreDifferent(DayOfWeek.Monday, DayOfWeek.Sunday);
        AreDifferent(new Base { Value = 1 }, new Derived { Value = 1 });
        AreDifferent(new Derived { Value = 1 }, new Derived { Value = 2 });
        using Tensor zeros = TorchSharp.torch.zeros(3), ones = TorchSharp.torch.ones(3), more = TorchSharp.torch.zeros(3, 1);
        AreDifferent(zeros, ones);
        AreDifferent(zeros, more);
        using var linear = nn.Linear(2, 2);
        using var second = nn.Linear(2, 2);
        AreDifferent(linear, second);
        int captured = 1;
        Func<int> function = () => captured;
        string[] before = Of("x", function);
        captured = 2;
        CollectionAssert.AreNotEqual(before, Of("x", function), "what a lambda holds is content");

        static void AreDifferent(object? first, object? second)
        {
            CollectionAssert.AreNotEqual(Of("x", first), Of("x", second), $"{first} and {second}");
            CollectionAssert.AreEqual(Of("x", first), Of("x", first));
        }
    }

    [TestMethod]
    public void NumbersInTypesOfDotNetAndTorchSharpAreContent()
    {
        AreDifferent<ReadOnlyMemory<double>>(new double[] { 1, 2 }, new double[] { 1, 3 });
        AreDifferent<Memory<float>>(new float[] { 1, 2 }, new float[] { 1 });
        AreDifferent("abc".AsMemory(), "abd".AsMemory());
        AreDifferent(KeyValuePair.Create("a", 1.5), KeyValuePair.Create("a", 2.5));
        AreDifferent(new Dictionary<(int, int), int> { [(1, 2)] = 3 }, new Dictionary<(int, int), int> { [(1, 4)] = 3 });
        AreDifferent(new Lazy<double[]>(() => [1, 2]), new Lazy<double[]>(() => [1, 3]));
        AreDifferent(new[] { 1, 2 }.Select(i => i * 0.5), new[] { 1, 3 }.Select(i => i * 0.5));
        AreDifferent(Halves(3), Halves(4));
        AreDifferent(new System.Numerics.Matrix3x2(1, 2, 3, 4, 5, 6), new System.Numerics.Matrix3x2(1, 2, 3, 4, 5, 7));
        AreDifferent(new System.Runtime.CompilerServices.StrongBox<double>(1), new System.Runtime.CompilerServices.StrongBox<double>(2));
        using TorchSharp.Scalar half = 0.5.ToScalar(), quarter = 0.25.ToScalar(), one = 1L.ToScalar(), two = 2L.ToScalar();
        AreDifferent(half, quarter);
        AreDifferent(one, two);

        static IEnumerable<double> Halves(int count)
        {
            for (int i = 0; i < count; i++)
                yield return i / 2.0;
        }

        static void AreDifferent<T>(T first, T second)
        {
            CollectionAssert.AreNotEqual(Of("x", first), Of("x", second), $"{typeof(T)}");
            CollectionAssert.AreEqual(Of("x", first), Of("x", first));
        }
    }

    [TestMethod]
    public void AnEndlessSequenceEnds()
    {
        Assert.IsLessThan(10, Of("x", Endless()).Length);

        static IEnumerable<int> Endless()
        {
            for (int i = 0; true; i++)
                yield return i;
        }
    }

    /// <summary>Whose a type is shows in the key of its assembly: the name may begin as others' do.</summary>
    [TestMethod]
    [DataRow("SystemsLab.Training")]
    [DataRow("Microsoft.MyTeam")]
    [DataRow("Microsoft.ML.MyTeam")]
    [DataRow("TorchSharpTricks")]
    public void ATypeOfTheApplicationIsContentWhateverItsAssemblyIsCalled(string assembly)
    {
        Type type = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName(assembly), AssemblyBuilderAccess.Run)
            .DefineDynamicModule(assembly).DefineType("Weighted") is var builder && builder.DefineField("Weight", typeof(double),
                FieldAttributes.Public) is not null ? builder.CreateType() : throw new InvalidOperationException();
        CollectionAssert.AreNotEqual(Of("x", With(1)), Of("x", With(2)));

        object With(double weight)
        {
            object one = Activator.CreateInstance(type)!;
            type.GetField("Weight")!.SetValue(one, weight);
            return one;
        }
    }

    [TestMethod]
    public void WhatIsEqualInContentHasTheSameTexts()
    {
        AreSame(new Dictionary<string, int> { ["a"] = 1, ["b"] = 2 }, new Dictionary<string, int> { ["b"] = 2, ["a"] = 1 });
        AreSame(new Derived { Value = 3, Lock = new Lock() }, new Derived { Value = 3, Lock = new Lock() });
        AreSame(new[] { 1.5, 2 }, new[] { 1.5, 2 });
        AreSame(new ReadOnlyMemory<double>([0, 1, 2], 1, 2), new ReadOnlyMemory<double>([1, 2]));
        using var cancellation = new CancellationTokenSource();
        AreSame(cancellation.Token, CancellationToken.None);

        static void AreSame(object first, object second) => CollectionAssert.AreEqual(Of("x", first), Of("x", second));
    }

    [TestMethod]
    public void CirclesAndDepthsEnd()
    {
        var first = new Link();
        first.Next = new Link { Next = first };
        Assert.IsLessThan(10, Of("x", first).Length);

        Link deep = new();
        for (int i = 0; i < 100_000; i++)
            deep = new Link { Next = deep };
        Assert.IsLessThan(100, Of("x", deep).Length);
    }

    /// <summary>There are ten million ways through ten objects that all lead to each other.</summary>
    [TestMethod]
    public void AMillionValuesAreEnough()
    {
        List<object>[] all = [.. Enumerable.Range(0, 10).Select(_ => new List<object>())];
        foreach (List<object> one in all)
            one.AddRange(all.Where(other => other != one));
        StringAssert.StartsWith(Of("x", all[0]).Single(), "x = 1000000 values, SHA-256 ");
    }

    [TestMethod]
    public void VeryMuchIsAHash()
    {
        string[] many = Of("x", Enumerable.Range(0, 5000).Select(i => $"{i}").ToList());
        StringAssert.Matches(many.Single(), new(@"^x = 5001 values, SHA-256 [0-9A-F]{64}$"));
        CollectionAssert.AreNotEqual(many, Of("x", Enumerable.Range(0, 5000).Select(i => $"{i + i / 4999}").ToList()));
    }

    private static string[] Of(string name, object? value) =>
        [.. FieldContent.Of(name, value).Select(field => $"{field.Name} = {field.Value}")];

    private class Base
    {
        public int Value { get; set; }
    }

    private sealed class Derived : Base
    {
        public Lock? Lock { get; set; }
    }

    private sealed class Link
    {
        public Link? Next { get; set; }
    }
}
