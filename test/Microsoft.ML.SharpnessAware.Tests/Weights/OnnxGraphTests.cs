using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class OnnxGraphTests
{
    private static readonly byte[] Valid = new OnnxFile { Producer = "Tests", Inputs = ["x", "w"], Outputs = ["y", "z"] }
        .Node("Conv", ["x", "w"], "c", ("strides", new long[] { 2, -1 }), ("alpha", 0.5f))
        .Node("Add", ["c", "c"], "y")
        .Constant("w", [2, 3], [1, 2, 3, 4, 5, 6])
        .Constant("b", [1], [7], raw: true)
        .ToBytes();

    [TestMethod]
    public void OperatorsConstantsInputsAndOutputsAreRead()
    {
        using DisposeScope scope = NewDisposeScope();
        OnnxGraph graph = OnnxGraph.Read(Valid);
        CollectionAssert.AreEqual(new[] { "Conv", "Add" }, graph.Nodes.Select(node => node.Type).ToArray());
        Assert.IsTrue(graph.Nodes[0].Has("strides", [2, -1], isDefault: false));
        Assert.IsTrue(graph.Nodes[0].Has("dilations", [1, 1], isDefault: true));
        Assert.AreEqual(0.5f, graph.Nodes[0].Floats["alpha"]);
        CollectionAssert.AreEqual(new[] { "x" }, graph.Inputs.ToArray(), "a constant is no input");
        CollectionAssert.AreEqual(new[] { "y", "z" }, graph.Outputs.ToArray());
        Assert.AreSame(graph.Nodes[1], graph.ConsumersOf("c").Single(), "an operator that reads a value twice");
        CollectionAssert.AreEqual(new float[] { 1, 2, 3, 4, 5, 6 }, graph.Constants["w"].ToTensor(2, 3).data<float>().ToArray());
        CollectionAssert.AreEqual(new float[] { 7 }, graph.Constants["b"].ToTensor(1).data<float>().ToArray());
    }

    [TestMethod]
    public void AConstantOfAnotherShapeOrLengthIsRefused()
    {
        OnnxGraph graph = OnnxGraph.Read(new OnnxFile().Constant("short", [4], [1, 2, 3]).ToBytes());
        Refused(() => graph.Constants["short"].ToTensor(4), "has 12 bytes of numbers where its shape takes 16");
        Refused(() => graph.Constants["short"].ToTensor(2, 2), "has the shape [4], and [2, 2] is expected");
    }

    [TestMethod]
    public void WhatIsNoModelIsRefused()
    {
        Refused(() => OnnxGraph.Read(Array.Empty<byte>()), "no graph");
        Refused(() => OnnxGraph.Read("hello, this is text"u8.ToArray()), "");
        for (int length = 0; length < Valid.Length - 5; length++) // the last field, the operators' version, is not read
            Refused(() => OnnxGraph.Read(Valid[..length]), "");
    }

    [TestMethod]
    public void ConstantsOfOneNameAreRefused() =>
        Refused(() => OnnxGraph.Read(new OnnxFile().Constant("a", [1], [1]).Constant("a", [1], [2]).ToBytes()), "two constants 'a'");

    [TestMethod]
    public void AFileOfNothingButOperatorsTakesBoundedMemory()
    {
        var file = new OnnxFile();
        file.Nodes.AddRange(Enumerable.Repeat(Array.Empty<byte>(), 1_000_000));
        byte[] bytes = file.ToBytes();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refused(() => OnnxGraph.Read(bytes), "more than 10000 operators");
        Assert.IsLessThan(10_000_000, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Refused(Action read, string words) =>
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(read).Message, words);
}
