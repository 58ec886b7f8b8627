using System.Buffers.Binary;
using System.Text;
using CsCheck;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class SafetensorsFileTests
{
    [TestMethod]
    public void AFileIsWrittenByteForByteAsTheFormatSays()
    {
        using DisposeScope scope = NewDisposeScope();
        using var stream = new MemoryStream();
        SafetensorsFile.Write(
            stream,
            new Dictionary<string, Tensor>
            {
                ["u"] = tensor(new byte[] { 7, 255, 9 }),
                ["w"] = tensor(new[,] { { 1f, -2f } }),
            },
            new Dictionary<string, string> { ["k"] = "v" });

        const string Header = """{"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}"""
            + ""","u":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}  """;
        Assert.AreEqual(0, Header.Length % 8);
        byte[] expected =
        [
            (byte)Header.Length, 0, 0, 0, 0, 0, 0, 0,
            .. Encoding.ASCII.GetBytes(Header),
            0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0,
            7, 255, 9,
        ];
        CollectionAssert.AreEqual(expected, stream.ToArray());
    }

    [TestMethod]
    public void AHandMadeFileIsReadWithAnyOrderSpacingAndUnknownProperties()
    {
        using DisposeScope scope = NewDisposeScope();
        byte[] file = FileOf(
            """{ "b" : {"data_offsets":[8,12],"extra":{},"shape":[2,2],"dtype":"BOOL"}, """
            + """ "\u0061": {"dtype":"I32","shape":[2],"data_offsets":[0,8]}, "s": {"dtype":"BF16","shape":[],"data_offsets":[12,14]},"""
            + """ "e": {"dtype":"F64","shape":[3,0],"data_offsets":[14,14]} }""",
            [1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 1, 0, 0, 1, 0xC0, 0x3F]);
        Dictionary<string, Tensor> tensors = Read(file);

        CollectionAssert.AreEquivalent(new[] { "a", "b", "s", "e" }, tensors.Keys.ToArray());
        CollectionAssert.AreEqual(new[] { 1, -2 }, tensors["a"].data<int>().ToArray());
        CollectionAssert.AreEqual(new long[] { 2, 2 }, tensors["b"].shape);
        CollectionAssert.AreEqual(new[] { true, false, false, true }, tensors["b"].data<bool>().ToArray());
        Assert.AreEqual(ScalarType.BFloat16, tensors["s"].dtype);
        Assert.AreEqual(1.5f, tensors["s"].to(ScalarType.Float32).item<float>());
        CollectionAssert.AreEqual(new long[] { 3, 0 }, tensors["e"].shape);
        Assert.AreEqual(ScalarType.Float64, tensors["e"].dtype);
    }

    [TestMethod]
    public void EveryElementTypeAndShapeComesBackBitForBit()
    {
        using DisposeScope scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>();
        ScalarType[] types =
        [
            ScalarType.Bool, ScalarType.Byte, ScalarType.Int8, ScalarType.Int16, ScalarType.Int32, ScalarType.Int64,
            ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64,
        ];
        foreach (ScalarType type in types)
        {
            foreach (long[] shape in new long[][] { [], [0], [1], [5], [2, 3, 4], [4, 0, 2] })
                tensors[$"{type} [{string.Join(',', shape)}]"] = randn(shape).mul(3).abs().to(type);
        }

        tensors["special"] = tensor(new[] { float.NaN, float.PositiveInfinity, -0f, float.Epsilon });
        tensors["ünïcode \"and\" \\ a name with . and \n"] = ones(1);
        AssertRoundTrip(tensors, tensors);
    }

    [TestMethod]
    public void StridesViewsAndGradientsDoNotShowInTheFile()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor image = randn(2, 3, 4, 5);
        var tensors = new Dictionary<string, Tensor>
        {
            ["channels last"] = image.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
            ["transposed"] = image.transpose(0, 3),
            ["every second"] = image.slice(3, 1, 5, 2),
            ["expanded"] = image.narrow(0, 0, 1).expand(6, 3, 4, 5),
            ["part of a vector"] = image.view(-1).narrow(0, 7, 12).view(3, 4),
            ["parameter"] = nn.Parameter(image.clone()),
        };
        AssertRoundTrip(tensors, tensors);
    }

    [TestMethod]
    public void LargerElementsComeFirstSoThatAllAreAligned()
    {
        using DisposeScope scope = NewDisposeScope();
        byte[] file = Written(new Dictionary<string, Tensor>
        {
            ["1"] = zeros(3, ScalarType.Byte),
            ["2"] = zeros(3, ScalarType.Float32),
            ["3"] = zeros(1, ScalarType.Int64),
            ["4"] = zeros(1, ScalarType.Float32),
        });
        CollectionAssert.AreEqual(new[] { "3", "2", "4", "1" }, Read(file).Keys.ToArray());
    }

    [TestMethod]
    public void ALargeTensorIsReadInPiecesWhereTheLengthIsUnknown()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor large = arange(5_000_000, ScalarType.Int64);
        byte[] file = Written(new Dictionary<string, Tensor> { ["large"] = large.view(2, -1), ["mask"] = large.view(-1).gt(7) });
        AssertSame(Read(file)["large"], SafetensorsFile.Read(new NonSeekableStream(file))["large"], "large");
        AssertSame(Read(file)["mask"], SafetensorsFile.Read(new NonSeekableStream(file))["mask"], "mask");
    }

    [TestMethod]
    public void ReadingStartsWhereTheStreamStands()
    {
        byte[] file = Written(new Dictionary<string, Tensor>());
        using var stream = new MemoryStream([1, 2, 3, .. file]);
        stream.Position = 3;
        Assert.IsEmpty(SafetensorsFile.Read(stream));
    }

    [TestMethod]
    public void WhatTheFormatCannotHoldIsRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        ArgumentException exception = Assert.ThrowsExactly<ArgumentException>(
            () => Written(new Dictionary<string, Tensor> { ["z"] = zeros(2, ScalarType.ComplexFloat32) }));
        StringAssert.Contains(exception.Message, "'z' is of type ComplexFloat32");
        Assert.ThrowsExactly<ArgumentException>(() => Written(new Dictionary<string, Tensor> { ["__metadata__"] = zeros(2) }));
    }

    [TestMethod]
    [DataRow("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "8 bytes of data, and the file has 7")]
    [DataRow("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "8 bytes of data, and the file has 9")]
    [DataRow("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "Tensor 'a' of shape [3] and type F32 takes 12 bytes, not 8")]
    [DataRow("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "'a' leaves a hole before it")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6,
        "'b' overlaps the tensor before it: it begins at byte 2 of the data and should begin at 4")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4,
        "overlaps")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}""", 4, "'a' has data_offsets that are not a begin and an end")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}}""", 4, "not a begin and an end")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[4]}}""", 4, "not a begin and an end")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4.5]}}""", 4, "data_offsets with something other than whole numbers")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,18446744073709551615]}}""", 4, "data_offsets with something other")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,1000000000000]}}""", 4, "takes 4 bytes, not 1000000000000")]
    [DataRow("""{"a":{"dtype":"U8","shape":[1000000000000],"data_offsets":[0,1000000000000]}}""", 4, "1000000000000 bytes of data")]
    [DataRow("""{"a":{"dtype":"U8","shape":[-1,-4],"data_offsets":[0,4]}}""", 4, "'a' has a negative size in its shape [-1, -4]")]
    [DataRow("""{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0,
        "[4294967296, 4294967296], that is too large")]
    [DataRow("""{"a":{"dtype":"F64","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "too large")]
    [DataRow("""{"a":{"dtype":"U8","shape":["4"],"data_offsets":[0,4]}}""", 4, "shape with something other than whole numbers")]
    [DataRow("""{"a":{"dtype":"U8","data_offsets":[0,4]}}""", 4, "'a' has no shape")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4]}}""", 4, "'a' has no data_offsets")]
    [DataRow("""{"a":{"shape":[4],"data_offsets":[0,4]}}""", 4, "'a' has no dtype")]
    [DataRow("""{"a":{"dtype":"F8_E5M2","shape":[4],"data_offsets":[0,4]}}""", 4, "an unknown dtype, 'F8_E5M2'; known are F64, F32")]
    [DataRow("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2,
        "uplicate")]
    [DataRow("""{"a":[]}""", 0, "'a' is not described by an object")]
    [DataRow("""{"__metadata__":{"a":1}}""", 0, "__metadata__ is not an object of texts")]
    [DataRow("""{"__metadata__":7}""", 0, "__metadata__ is not an object of texts")]
    [DataRow("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}""", 4, "not valid JSON")]
    [DataRow("""{"\ud800":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4, "not valid JSON")]
    [DataRow("""{} {}""", 0, "not valid JSON")]
    [DataRow("""[]""", 0, "not a JSON object")]
    [DataRow("", 0, "not a JSON object")]
    [DataRow("""{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}""", 2, "'a' of type BOOL holds bytes other than 0 and 1")]
    public void AMalformedFileIsRefusedAndTheProblemNamed(string header, int dataLength, string message)
    {
        byte[] data = new byte[dataLength];
        Array.Fill(data, (byte)2);
        byte[] file = FileOf(header, data);
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => Read(file));
        StringAssert.Contains(exception.Message, message);
        Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Read(new NonSeekableStream(file)));
        Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Read(new NonSeekableStream(file), file.Length));
    }

    [TestMethod]
    public void AShapeOfTooManyDimensionsIsRefused()
    {
        string shape = string.Join(',', Enumerable.Repeat(1, 65));
        byte[] file = FileOf("""{"a":{"dtype":"U8","data_offsets":[0,1],"shape":[""" + shape + "]}}", [0]);
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => Read(file));
        StringAssert.Contains(exception.Message, "'a' has shape of 65 numbers; at most 64");
    }

    [TestMethod]
    [DataRow(new byte[0], "ends within the header's length")]
    [DataRow(new byte[] { 2, 0, 0, 0, 0, 0, 0 }, "ends within the header's length")]
    [DataRow(new byte[] { 3, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}' }, "claims 3 bytes, and only 2 follow")]
    [DataRow(new byte[] { 0, 0, 0, 0, 1, 0, 0, 0, (byte)'{', (byte)'}' }, "claims 4294967296 bytes, and at most 100000000")]
    [DataRow(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, (byte)'{', (byte)'}' }, "claims 18446744073709551615 bytes")]
    [DataRow(new byte[] { 0x50, 0x4B, 3, 4, 0x14, 0, 0, 0, 8, 0 }, "claims")]
    public void AFileWithoutAProperHeaderIsRefused(byte[] file, string message)
    {
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(() => Read(file));
        StringAssert.Contains(exception.Message, message);
        Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Read(new NonSeekableStream(file)));
    }

    [TestMethod]
    public void AStreamOfUnknownLengthThatClaimsTooMuchEndsWithItsOwnMessage()
    {
        byte[] header = FileOf("""{"a":{"dtype":"U8","shape":[1000000000000],"data_offsets":[0,1000000000000]}}""", [1, 2, 3]);
        InvalidDataException exception = Assert.ThrowsExactly<InvalidDataException>(
            () => SafetensorsFile.Read(new NonSeekableStream(header)));
        StringAssert.Contains(exception.Message, "ends within tensor 'a'");

        exception = Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Read(new NonSeekableStream(header[..20])));
        StringAssert.Contains(exception.Message, "ends within its header, after 12 of");
    }

    [TestMethod]
    public void ADamagedFileIsReadOrRefusedAndNothingElse()
    {
        byte[] file = Written(new Dictionary<string, Tensor>
        {
            ["weight"] = tensor(new[,] { { 1f, 2f, 3f }, { 4f, 5f, 6f } }),
            ["mask"] = tensor(new[] { true, false }),
            ["count"] = tensor(7L),
            ["half"] = zeros(3, ScalarType.Float16),
        });
        int headerEnd = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        Gen<int> position = Gen.OneOf(Gen.Int[0, 7], Gen.Int[8, headerEnd - 1], Gen.Int[8, headerEnd - 1], Gen.Int[0, file.Length - 1]);
        byte[] telling = "{}[],:\"-.eE\\ 0123456789"u8.ToArray();
        Gen<byte> value = Gen.OneOf(Gen.Byte, Gen.Int[0, telling.Length - 1].Select(i => telling[i]));
        Gen<Func<byte[], byte[]>> mutation = Gen.OneOf(
            Gen.Select(position, value, (p, v) => (Func<byte[], byte[]>)(f => [.. f[..Math.Min(p, f.Length)], v, .. f.Skip(p + 1)])),
            Gen.Select(position, value, (p, v) => (Func<byte[], byte[]>)(f => [.. f[..Math.Min(p, f.Length)], v, .. f.Skip(p)])),
            position.Select(p => (Func<byte[], byte[]>)(f => [.. f.Take(p), .. f.Skip(p + 1)])),
            position.Select(p => (Func<byte[], byte[]>)(f => [.. f.Take(p)])));
        int refused = 0;

        mutation.Array[1, 3].Sample(
            mutations =>
            {
                byte[] damaged = mutations.Aggregate(file, (f, mutate) => mutate(f));
                foreach (Stream stream in new Stream[] { new MemoryStream(damaged), new NonSeekableStream(damaged) })
                {
                    try
                    {
                        foreach (Tensor tensor in SafetensorsFile.Read(stream).Values)
                            tensor.Dispose();
                    }
                    catch (InvalidDataException)
                    {
                        Interlocked.Increment(ref refused);
                    }
                }
            },
            iter: 1000);
        Assert.IsGreaterThan(500, refused);
    }

    [TestMethod]
    public void ReadingLeavesOnlyTheTensorsItReturnsAndNoneWhenItFails()
    {
        ThreadDisposeScopeStatistics statistics = DisposeScopeManager.Statistics;
        byte[] file;
        using (NewDisposeScope())
            file = Written(new Dictionary<string, Tensor> { ["a"] = zeros(3), ["b"] = ones(2, ScalarType.Bool), ["c"] = zeros(0) });
        long before = statistics.ThreadTotalLiveCount;
        Dictionary<string, Tensor> tensors = Read(file);
        Assert.AreEqual(before + 3, statistics.ThreadTotalLiveCount);
        foreach (Tensor tensor in tensors.Values)
            tensor.Dispose();

        Assert.ThrowsExactly<InvalidDataException>(() => SafetensorsFile.Read(new NonSeekableStream(file[..^1])));
        Assert.AreEqual(before, statistics.ThreadTotalLiveCount);
    }

    private static void AssertRoundTrip(Dictionary<string, Tensor> tensors, Dictionary<string, Tensor> expected)
    {
        byte[] file = Written(tensors);
        Dictionary<string, Tensor>[] readings =
        [
            Read(file),
            SafetensorsFile.Read(new NonSeekableStream(file)),
            SafetensorsFile.Read(new NonSeekableStream(file), file.Length),
        ];
        foreach (Dictionary<string, Tensor> actual in readings)
        {
            CollectionAssert.AreEquivalent(expected.Keys, actual.Keys);
            foreach ((string name, Tensor tensor) in expected)
                AssertSame(tensor, actual[name], name);
        }
    }

    private static void AssertSame(Tensor expected, Tensor actual, string name)
    {
        Assert.AreEqual(expected.dtype, actual.dtype, name);
        CollectionAssert.AreEqual(expected.shape, actual.shape, name);
        using IDisposable noGradient = no_grad();
        using var first = new MemoryStream();
        using var second = new MemoryStream();
        expected.contiguous().WriteBytesToStream(first);
        actual.contiguous().WriteBytesToStream(second);
        Assert.IsTrue(first.ToArray().AsSpan().SequenceEqual(second.ToArray()), name);
    }

    private static byte[] Written(IReadOnlyDictionary<string, Tensor> tensors)
    {
        using var stream = new MemoryStream();
        SafetensorsFile.Write(stream, tensors);
        return stream.ToArray();
    }

    private static Dictionary<string, Tensor> Read(byte[] file) => SafetensorsFile.Read(new MemoryStream(file));

    [TestMethod]
    public void ANameBeyondThousandCharactersIsNeitherReadNorWrittenAndNotRepeatedInTheError()
    {
        using DisposeScope scope = NewDisposeScope();
        string longest = new('n', 1000), wrapped = string.Concat(Enumerable.Repeat("net.", 1_000_000));
        CollectionAssert.AreEqual(new[] { longest }, Read(Named(longest)).Keys.ToArray());
        foreach (string name in new[] { longest + "n", wrapped })
        {
            string message = Assert.ThrowsExactly<InvalidDataException>(() => Read(Named(name))).Message;
            StringAssert.Contains(message, $"{name.Length} characters");
            Assert.IsLessThan(300, message.Length);
            Assert.ThrowsExactly<ArgumentException>(
                () => SafetensorsFile.Write(Stream.Null, new Dictionary<string, Tensor> { [name] = zeros(1) }));
        }

        static byte[] Named(string name) => FileOf($$$"""{"{{{name}}}":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", [0]);
    }

    [TestMethod]
    public void ALongElementTypeIsNotRepeatedInTheError()
    {
        byte[] file = FileOf($$$"""{"a":{"dtype":"{{{new string('F', 100_000)}}}","shape":[1],"data_offsets":[0,1]}}""", [0]);
        string message = Assert.ThrowsExactly<InvalidDataException>(() => Read(file)).Message;
        StringAssert.Contains(message, "Tensor 'a' has an unknown dtype");
        Assert.IsLessThan(300, message.Length);
    }

    private static byte[] FileOf(string header, byte[] data)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        return [.. length, .. text, .. data];
    }

    /// <summary>A stream as a network or a decompressor gives it: no length, no seeking, a few bytes at a time.</summary>
    private sealed class NonSeekableStream(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 1 + count / 3));

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 1 + buffer.Length / 3)]);
    }
}
