using System.Collections.Concurrent;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Columns of the source stay what they are beside those of the model.</summary>
[TestClass]
public sealed class PassThroughColumnTests : WithPixelModel
{
    [TestMethod]
    public void AnyColumnsMayBeAskedFor()
    {
        List<PixelRow> pixels = Shapes.Pixels(70, seed: 10);
        float[][] expected = [.. Expected(pixels).Select(row => row.Score)];
        IDataView scored = Model.Transform(MLContext.Data.LoadFromEnumerable(pixels));

        float[][] scores = [.. scored.GetColumn<float[]>("Score")];
        for (int i = 0; i < 70; i++)
            AssertAreEqual(expected[i], scores[i]);
        CollectionAssert.AreEqual(Expected(pixels).Select(row => row.PredictedLabel).ToArray(), scored.GetColumn<uint>("PredictedLabel")
            .ToArray());
        CollectionAssert.AreEqual(Enumerable.Range(0, 70).ToArray(), scored.GetColumn<int>("Number").ToArray());
        using DataViewRowCursor none = scored.GetRowCursor([]);
        int count = 0;
        while (none.MoveNext())
            Assert.AreEqual(count++, none.Position);
        Assert.AreEqual(70, count);
        Assert.IsFalse(none.IsColumnActive(scored.Schema["Score"]));
        Assert.Throws<InvalidOperationException>(() => none.GetGetter<VBuffer<float>>(scored.Schema["Score"]));
        Assert.Throws<InvalidOperationException>(() => none.GetGetter<int>(scored.Schema["Number"]));
    }

    [TestMethod]
    public void ImagesAndValuesThatCannotBeCopiedPassThrough()
    {
        List<EncodedRow> files = Shapes.Encoded(20, seed: 15);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(
            MLContext, Fitted.View(MLContext, Shapes.Encoded(30)), options => options.ImageWidth = options.ImageHeight = Shapes.Size);
        List<ImageRow> rows = [.. files.Select((file, i) => new ImageRow { Image = Decoded(file.Image), Number = i })];
        float[][] expected = Fitted.Scores(MLContext, model.Transform(MLContext.Data.LoadFromEnumerable(files)));

        ImageScored[] scored = [.. MLContext.Data.CreateEnumerable<ImageScored>(
            model.Transform(MLContext.Data.LoadFromEnumerable(Emptied(new ConcurrentQueue<ImageRow>(rows)))), reuseRowObject: false)];

        Assert.HasCount(20, scored);
        for (int i = 0; i < 20; i++)
        {
            Assert.AreSame(rows[i].Image, scored[i].Image);
            Assert.AreEqual(i, scored[i].Number);
            AssertAreEqual(expected[i], scored[i].Score);
        }
    }

    [TestMethod]
    public void LargePassThroughColumnsAreBufferedFewAtATime()
    {
        const int Length = 4 << 20;
        int made = 0, delivered = 0, ahead = 0;
        IEnumerable<LargeRow> Large()
        {
            foreach (PixelRow pixel in Shapes.Pixels(40))
            {
                made++;
                ahead = Math.Max(ahead, made - delivered);
                yield return new LargeRow { Image = pixel.Image, Large = new byte[Length] };
            }
        }
        IDataView scored = Model.Transform(MLContext.Data.LoadFromEnumerable(Large()));

        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema);
        ValueGetter<VBuffer<byte>> getter = cursor.GetGetter<VBuffer<byte>>(scored.Schema["Large"]);
        VBuffer<byte> value = default;
        while (cursor.MoveNext())
        {
            getter(ref value);
            Assert.AreEqual(Length, value.Length);
            delivered++;
        }

        Assert.AreEqual(40, delivered);
        Assert.IsLessThanOrEqualTo(5, ahead);
    }

    [TestMethod]
    public void SparseVectorsStaySparse()
    {
        IDataView data = MLContext.Transforms.Conversion.MapValueToKey("Key", "Number")
            .Append(MLContext.Transforms.Conversion.MapKeyToVector("Sparse", "Key"))
            .Fit(MLContext.Data.LoadFromEnumerable(Shapes.Pixels(50)))
            .Transform(MLContext.Data.LoadFromEnumerable(Shapes.Pixels(50)));
        IDataView scored = Model.Transform(data);
        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema);
        ValueGetter<VBuffer<float>> getter = cursor.GetGetter<VBuffer<float>>(scored.Schema["Sparse"]);
        VBuffer<float> value = default;

        for (int i = 0; cursor.MoveNext(); i++)
        {
            getter(ref value);
            Assert.AreEqual(50, value.Length);
            CollectionAssert.AreEqual(new[] { i }, value.GetIndices().ToArray());
            CollectionAssert.AreEqual(new[] { 1f }, value.GetValues().ToArray());
        }
    }

    [TestMethod]
    public void EveryTypeOfColumnPassesThrough()
    {
        List<ManyTypes> rows = [.. Shapes.Pixels(50).Select(pixel => new ManyTypes
        {
            Image = pixel.Image,
            Boolean = pixel.Number % 2 == 0,
            Byte = (byte)pixel.Number,
            Short = (short)-pixel.Number,
            Long = 1L << pixel.Number,
            Float = pixel.Number / 3f,
            Double = pixel.Number / 7.0,
            Date = new DateTime(2020, 1, 1).AddDays(pixel.Number),
            Moment = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.FromHours(2)).AddDays(pixel.Number),
            Span = TimeSpan.FromMinutes(pixel.Number),
            Text = pixel.Number % 5 == 0 ? "" : $"text {pixel.Number}",
            Variable = new double[pixel.Number % 4],
        })];

        ManyTypesScored[] scored = [.. MLContext.Data.CreateEnumerable<ManyTypesScored>(
            Model.Transform(MLContext.Data.LoadFromEnumerable(rows)), reuseRowObject: false)];

        Assert.HasCount(50, scored);
        for (int i = 0; i < 50; i++)
        {
            Assert.AreEqual((rows[i].Boolean, rows[i].Byte, rows[i].Short, rows[i].Long, rows[i].Float, rows[i].Double),
                (scored[i].Boolean, scored[i].Byte, scored[i].Short, scored[i].Long, scored[i].Float, scored[i].Double));
            Assert.AreEqual((rows[i].Date, rows[i].Moment, rows[i].Span, rows[i].Text),
                (scored[i].Date, scored[i].Moment, scored[i].Span, scored[i].Text));
            Assert.HasCount(i % 4, scored[i].Variable);
        }
    }

    private static MLImage Decoded(byte[] file)
    {
        using var stream = new MemoryStream(file);
        return MLImage.CreateFromStream(stream);
    }

    private sealed class LargeRow
    {
        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];

        public byte[] Large { get; set; } = [];
    }

    private sealed class ImageRow
    {
        [Transforms.Image.ImageType(Shapes.Size, Shapes.Size)]
        public MLImage Image { get; set; } = null!;

        public int Number { get; set; }
    }

    private sealed class ImageScored
    {
        [Transforms.Image.ImageType(Shapes.Size, Shapes.Size)]
        public MLImage Image { get; set; } = null!;

        public int Number { get; set; }

        public float[] Score { get; set; } = [];
    }

    private class ManyTypes
    {
        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];

        public bool Boolean { get; set; }

        public byte Byte { get; set; }

        public short Short { get; set; }

        public long Long { get; set; }

        public float Float { get; set; }

        public double Double { get; set; }

        public DateTime Date { get; set; }

        public DateTimeOffset Moment { get; set; }

        public TimeSpan Span { get; set; }

        public string Text { get; set; } = "";

        public double[] Variable { get; set; } = [];
    }

    private sealed class ManyTypesScored : ManyTypes
    {
        public float[] Score { get; set; } = [];
    }
}
