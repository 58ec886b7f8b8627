using Microsoft.ML.Runtime;
using Microsoft.ML.SharpnessAware.Tests.Fuzzing;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>What an ONNX file says of itself, read back, of earlier versions, and damaged.</summary>
[TestClass]
public sealed class OnnxMetadataTests
{
    private static readonly IHostEnvironment Environment = new MLContext(1);

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void WhatIsWrittenIsRead()
    {
        OnnxMetadata metadata = Example();
        OnnxMetadata read = OnnxMetadata.Read(Environment, metadata.Write(Environment));
        Assert.AreEqual(metadata with { ClassNames = [], LabelValues = null, Decisions = [] },
            read with { ClassNames = [], LabelValues = null, Decisions = [] });
        Assert.AreEqual(0.75, ((AbstentionTransformer)read.Decisions.Single()).Threshold);
        CollectionAssert.AreEqual(metadata.ClassNames.ToArray(), read.ClassNames.ToArray());
        CollectionAssert.AreEqual(metadata.ClassNames.ToArray(), read.LabelValues!.Names.ToArray());
        Assert.IsNull(OnnxMetadata.Read(Environment, (metadata with { LabelValues = null }).Write(Environment)).LabelValues);
    }

    [TestMethod]
    public void AFileOfTheFirstVersionHasTextsAsLabels()
    {
        Dictionary<string, string> entries = new(Example().Write(Environment)) { [OnnxMetadata.Format] = "1" };
        entries.Remove("label_values");
        OnnxMetadata read = OnnxMetadata.Read(Environment, entries);
        CollectionAssert.AreEqual(new[] { "cat", "dög", "\"fish\"" }, read.LabelValues!.Names.ToArray());
        Assert.AreEqual(typeof(ReadOnlyMemory<char>), read.LabelValues.Type.ItemType.RawType);
    }

    [TestMethod]
    public void AFileOfTheSecondVersionHasNoDecisions()
    {
        Dictionary<string, string> entries = new(Example().Write(Environment)) { [OnnxMetadata.Format] = "2" };
        entries.Remove("decisions");
        Assert.IsEmpty(OnnxMetadata.Read(Environment, entries).Decisions);
    }

    [TestMethod]
    [DataRow("mlsharpness_format", "4", "update the library")]
    [DataRow("mlsharpness_format", "one", "'one', not a whole number")]
    [DataRow("input_size", "3,24", "not channels, height and width")]
    [DataRow("input_size", "3,0,24", "'3,0,24'")]
    [DataRow("input_size", "3,24,100000", "sides up to 8192")]
    [DataRow("input_size", "999999,8192,8192", "sides up to 8192")]
    [DataRow("pixel_type", "int8", "not one of uint8, float32")]
    [DataRow("pixel_order", "CHWN", "NCHW, NHWC")]
    [DataRow("resizes", "maybe", "true, false")]
    [DataRow("resize_mode", "3", "Fill, IsoCrop, IsoPad")]
    [DataRow("temperature", "-1", "positive number")]
    [DataRow("temperature", "NaN", "positive number")]
    [DataRow("class_names", "{}", "class_names")]
    [DataRow("class_names", "null", "class_names")]
    [DataRow("class_names", "[]", "class_names")]
    [DataRow("class_names", "[\"a\",null]", "class_names")]
    [DataRow("class_names", "[\"a\",\"a\",\"b\"]", "each another")]
    [DataRow("class_names", "[\"a\",\"b\",\"c\"]", "name other classes")]
    [DataRow("label_values", "?", "label_values cannot be read")]
    [DataRow("label_values", "AAAA", "label_values cannot be read")]
    [DataRow("decisions", "{}", "decisions cannot be read")]
    [DataRow("decisions", "[null]", "decisions cannot be read")]
    [DataRow("decisions", "[\"AAAA\"]", "decisions cannot be read")]
    public void AnEntryThatCannotBeIsNamed(string key, string value, string message)
    {
        Dictionary<string, string> entries = new(Example().Write(Environment)) { [key] = value };
        Assert.Contains(message, Assert.ThrowsExactly<InvalidDataException>(() => OnnxMetadata.Read(Environment, entries)).Message);
        entries.Remove(key);
        if (key != OnnxMetadata.Format)
            Assert.Contains($"no {key}", Assert.ThrowsExactly<InvalidDataException>(() => OnnxMetadata.Read(Environment, entries)).Message);
    }

    [TestMethod]
    public void DamagedMetadataAreReadOrRefused()
    {
        var fuzzing = new ReaderFuzzer(TestContext, "ONNX metadata") { Documented = e => e.GetType() == typeof(InvalidDataException) };
        IReadOnlyDictionary<string, string> entries = Example().Write(Environment);
        // The label values beneath their base 64, which would be refused as such nearly always.
        byte[][] valid = [.. entries.Select(entry => Joined(entry.Key, Bytes(entry)))];
        fuzzing.Run(valid, random =>
        {
            (string key, string value) = entries.ElementAt(random.Next(entries.Count));
            byte[] bytes = Bytes(new(key, value));
            return Joined(key, Mutator.Mutate(random, bytes, bytes));
        }, file =>
        {
            int end = Array.IndexOf(file, (byte)'=');
            string key = System.Text.Encoding.UTF8.GetString(file[..end]);
            byte[] bytes = file[(end + 1)..];
            OnnxMetadata.Read(Environment, new Dictionary<string, string>(entries)
            {
                [key] = key == "label_values" ? Convert.ToBase64String(bytes) : System.Text.Encoding.UTF8.GetString(bytes),
            });
        });

        static byte[] Joined(string key, byte[] value) => [.. System.Text.Encoding.UTF8.GetBytes(key), (byte)'=', .. value];
        static byte[] Bytes(KeyValuePair<string, string> entry) => entry.Key == "label_values"
            ? Convert.FromBase64String(entry.Value) : System.Text.Encoding.UTF8.GetBytes(entry.Value);
    }

    private static OnnxMetadata Example()
    {
        string[] names = ["cat", "dög", "\"fish\""];
        return new OnnxMetadata
        {
            Architecture = "resnet8",
            Shape = new ImageShape(3, 20, 24),
            PixelType = PixelType.Byte,
            ChannelsLast = true,
            Resizes = false,
            Resizing = ResizingKind.IsoPad,
            Temperature = 1.25,
            ClassNames = names,
            LabelValues = LabelValues.OfNames(names),
            Decisions = [new AbstentionTransformer(Environment, new DecisionColumns("Label", "Score", "Accepted", ScoreKind.Probabilities),
                0.9, 0.95, new AbstentionChoice(0.75, 80, 75, 0, 0), 100, 3, LabelValues.OfNames(names))],
        };
    }
}
