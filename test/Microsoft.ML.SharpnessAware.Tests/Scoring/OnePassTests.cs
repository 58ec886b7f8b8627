using System.Collections.Concurrent;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Transform reads its source once, row after row, whatever the source is.</summary>
[TestClass]
public sealed class OnePassTests
{
    private static readonly MLContext MLContext = new(1);
    private static SharpnessAwareImageClassificationTransformer _model = null!;

    [ClassInitialize]
    public static void Train(TestContext _) => _model = Fitted.Model(MLContext, Fitted.View(MLContext, Shapes.Pixels(60)));

    [ClassCleanup]
    public static void Free() => _model.Dispose();

    [TestMethod]
    [DataRow(6)]
    [DataRow(2_000)]
    public void AQueueThatIsEmptiedGivesEachRowWithItsOwnScore(int rows)
    {
        List<PixelRow> pixels = Shapes.Pixels(rows, seed: 4);
        var queue = new ConcurrentQueue<PixelRow>(pixels);

        ScoredRow[] scored = Scored(_model.Transform(MLContext.Data.LoadFromEnumerable(Emptied(queue))));

        AssertAreOf(pixels, scored);
    }

    [TestMethod]
    public void AQueueIsEvaluatedAsAListIs()
    {
        List<PixelRow> pixels = Shapes.Pixels(2_000, seed: 5);
        IDataView fromList = _model.Transform(Fitted.View(MLContext, pixels));
        ITransformer keys = MLContext.Transforms.Conversion
            .MapValueToKey("Label", keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
            .Fit(MLContext.Data.LoadFromEnumerable(pixels));
        IDataView fromQueue = _model.Transform(
            keys.Transform(MLContext.Data.LoadFromEnumerable(Emptied(new ConcurrentQueue<PixelRow>(pixels)))));

        MulticlassClassificationMetrics expected = MLContext.MulticlassClassification.Evaluate(fromList);
        MulticlassClassificationMetrics actual = MLContext.MulticlassClassification.Evaluate(fromQueue);

        Assert.AreEqual(expected.MicroAccuracy, actual.MicroAccuracy);
        Assert.AreEqual(expected.LogLoss, actual.LogLoss, 1e-9);
    }

    [TestMethod]
    public void EachSourceRowIsMadeOnce()
    {
        int made = 0;
        IEnumerable<PixelRow> Counted()
        {
            foreach (PixelRow row in Shapes.Pixels(100))
            {
                made++;
                yield return row;
            }
        }

        Scored(_model.Transform(MLContext.Data.LoadFromEnumerable(Counted())));

        Assert.AreEqual(100, made);
    }

    [TestMethod]
    public void ASourceThatYieldsOneObjectAgainAndAgainKeepsItsRowsApart()
    {
        List<MutableRow> rows = Mutable(100);

        MutableScored[] scored = [.. MLContext.Data.CreateEnumerable<MutableScored>(
            _model.Transform(MLContext.Data.LoadFromEnumerable(OneObject(rows))), reuseRowObject: false)];

        AssertAreOf(Shapes.Pixels(100, seed: 6), scored);
        for (int i = 0; i < rows.Count; i++)
        {
            Assert.AreEqual($"row {i}", scored[i].Text);
            CollectionAssert.AreEqual(rows[i].Numbers, scored[i].Numbers);
            CollectionAssert.AreEqual(rows[i].Words, scored[i].Words);
            CollectionAssert.AreEqual(rows[i].Image, scored[i].Image);
        }
    }

    [TestMethod]
    public void TextInMemoryThatIsWrittenOverStaysWhatItWas()
    {
        char[] memory = new char[4];
        IEnumerable<MemoryRow> Overwritten()
        {
            foreach (PixelRow pixel in Shapes.Pixels(40))
            {
                pixel.Number.ToString("D4").CopyTo(memory);
                yield return new MemoryRow { Image = pixel.Image, Text = memory, Texts = [memory, memory.AsMemory(2)] };
            }
        }

        IDataView scored = _model.Transform(MLContext.Data.LoadFromEnumerable(Overwritten()));
        MemoryScored[] rows = [.. MLContext.Data.CreateEnumerable<MemoryScored>(scored, reuseRowObject: false)];

        for (int i = 0; i < rows.Length; i++)
        {
            Assert.AreEqual($"{i:D4}", rows[i].Text.ToString());
            CollectionAssert.AreEqual(new[] { $"{i:D4}", $"{i:D4}"[2..] }, rows[i].Texts.Select(text => text.ToString()).ToArray());
        }
    }

    [TestMethod]
    public void TwoReadersOfOneQueueShareItsRows()
    {
        List<PixelRow> pixels = Shapes.Pixels(600, seed: 7);
        IDataView scored = _model.Transform(
            MLContext.Data.LoadFromEnumerable(Emptied(new ConcurrentQueue<PixelRow>(pixels))));

        ScoredRow[] all = [.. Enumerable.Range(0, 2).AsParallel().WithDegreeOfParallelism(2).SelectMany(_ => Scored(scored))];

        AssertAreOf(pixels, [.. all.OrderBy(row => row.Number)]);
    }

    [TestMethod]
    public void ShuffledRowsKeepTheirScores()
    {
        List<PixelRow> pixels = Shapes.Pixels(200, seed: 8);
        IDataView source = MLContext.Data.Cache(MLContext.Data.LoadFromEnumerable(pixels));
        IDataView scored = _model.Transform(source);
        Assert.IsTrue(scored.CanShuffle);
        Assert.IsFalse(_model.Transform(MLContext.Data.LoadFromEnumerable(pixels)).CanShuffle);

        ScoredRow[] byCursor = Scored(scored, new Random(1));
        ScoredRow[] after = Scored(MLContext.Data.ShuffleRows(scored, seed: 1));
        ScoredRow[] before = Scored(_model.Transform(MLContext.Data.ShuffleRows(source, seed: 1)));

        foreach (ScoredRow[] shuffled in new[] { byCursor, after, before })
        {
            Assert.IsFalse(shuffled.Select(row => row.Number).SequenceEqual(Enumerable.Range(0, 200)));
            AssertAreOf(pixels, [.. shuffled.OrderBy(row => row.Number)]);
        }
    }

    [TestMethod]
    public void AnEndlessSourceIsReadAsFarAsItIsAskedFor()
    {
        int made = 0;
        IEnumerable<PixelRow> Endless()
        {
            while (true)
            {
                foreach (PixelRow row in Shapes.Pixels(50, seed: 9))
                {
                    made++;
                    yield return row;
                }
            }
        }
        IDataView scored = _model.Transform(MLContext.Data.LoadFromEnumerable(Endless()));

        ScoredRow[] five = Scored(MLContext.Data.TakeRows(scored, 5));

        AssertAreOf(Shapes.Pixels(50, seed: 9)[..5], five);
        Assert.IsLessThan(50, made);
        Assert.HasCount(3, Scored(_model.Transform(MLContext.Data.TakeRows(MLContext.Data.LoadFromEnumerable(Endless()), 3))));
    }

    [TestMethod]
    public void TheFirstRowIsThereBeforeTheSecondIsAskedFor()
    {
        using var rows = new BlockingCollection<PixelRow> { Shapes.Pixels(1)[0] };
        IDataView scored = _model.Transform(MLContext.Data.LoadFromEnumerable(rows.GetConsumingEnumerable()));
        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema);

        Assert.IsTrue(cursor.MoveNext());

        rows.CompleteAdding();
        Assert.IsFalse(cursor.MoveNext());
    }

    [TestMethod]
    public void AnyColumnsMayBeAskedFor()
    {
        List<PixelRow> pixels = Shapes.Pixels(70, seed: 10);
        float[][] expected = [.. Expected(pixels).Select(row => row.Score)];
        IDataView scored = _model.Transform(MLContext.Data.LoadFromEnumerable(pixels));

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
    public void RowIdsArePassedOn()
    {
        IDataView source = MLContext.Data.ShuffleRows(MLContext.Data.LoadFromEnumerable(Shapes.Pixels(70, seed: 11)), seed: 3);
        IDataView scored = _model.Transform(source);

        CollectionAssert.AreEqual(Ids(source), Ids(scored));

        static DataViewRowId[] Ids(IDataView view)
        {
            using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
            ValueGetter<DataViewRowId> getter = cursor.GetIdGetter();
            List<DataViewRowId> ids = [];
            while (cursor.MoveNext())
            {
                DataViewRowId id = default;
                getter(ref id);
                ids.Add(id);
            }
            return [.. ids];
        }
    }

    [TestMethod]
    public void TwoModelsInOneChainReadTheSourceOnce()
    {
        List<PixelRow> pixels = Shapes.Pixels(100, seed: 12);
        using SharpnessAwareImageClassificationTransformer second = Fitted.Model(
            MLContext, Fitted.View(MLContext, Shapes.Pixels(60, seed: 1)), options =>
            {
                options.ScoreColumnName = "SecondScore";
                options.PredictedLabelColumnName = "SecondLabel";
            });
        float[][] seconds = [.. second.Transform(MLContext.Data.LoadFromEnumerable(pixels)).GetColumn<float[]>("SecondScore")];

        IDataView both = second.Transform(_model.Transform(
            MLContext.Data.LoadFromEnumerable(Emptied(new ConcurrentQueue<PixelRow>(pixels)))));
        TwiceScored[] rows = [.. MLContext.Data.CreateEnumerable<TwiceScored>(both, reuseRowObject: false)];

        AssertAreOf(pixels, rows);
        for (int i = 0; i < rows.Length; i++)
            AssertAreEqual(seconds[i], rows[i].SecondScore);
    }

    [TestMethod]
    public void TheFeatureColumnMayBeThatOfAModelBefore()
    {
        // The second model's Score hides the first one's.
        List<PixelRow> pixels = Shapes.Pixels(50, seed: 13);
        using SharpnessAwareImageClassificationTransformer warm = _model.WithTemperature(3);
        ScoredRow[] rows = Scored(_model.Transform(warm.Transform(MLContext.Data.LoadFromEnumerable(pixels))));

        AssertAreOf(pixels, rows);
    }

    [TestMethod]
    public void CachedAndFilteredRowsKeepTheirScores()
    {
        List<PixelRow> pixels = Shapes.Pixels(100, seed: 14);
        IDataView queue = _model.Transform(MLContext.Data.LoadFromEnumerable(Emptied(new ConcurrentQueue<PixelRow>(pixels))));
        IDataView cached = MLContext.Data.Cache(queue, "Number", "Score", "PredictedLabel");

        AssertAreOf(pixels, Scored(cached));
        AssertAreOf(pixels, Scored(cached));
        AssertAreOf(pixels[20..30], Scored(Filtered(_model.Transform(MLContext.Data.LoadFromEnumerable(pixels)))));
        AssertAreOf(pixels[20..30], Scored(_model.Transform(Filtered(MLContext.Data.LoadFromEnumerable(pixels)))));

        static IDataView Filtered(IDataView view) =>
            MLContext.Data.FilterByCustomPredicate<Numbered>(view, row => row.Number is < 20 or >= 30);
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
        IDataView scored = _model.Transform(MLContext.Data.LoadFromEnumerable(Large()));

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
        IDataView scored = _model.Transform(data);
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
            _model.Transform(MLContext.Data.LoadFromEnumerable(rows)), reuseRowObject: false)];

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

    [TestMethod]
    public void GoodRowsBeforeABadOneAreDelivered()
    {
        List<PixelRow> good = Shapes.Pixels(5, seed: 16);
        using SharpnessAwareImageClassificationTransformer model = EncodedModel();
        EncodedRow[] rows = [.. Shapes.Encoded(2, seed: 16), new() { Image = [1, 2, 3], ImagePath = "bad.png" },
            .. Shapes.Encoded(2, seed: 17)];
        IDataView scored = model.Transform(MLContext.Data.LoadFromEnumerable(rows));
        List<float[]> delivered = [];

        var e = Assert.Throws<InvalidOperationException>(() =>
        {
            foreach (ScoredRow row in MLContext.Data.CreateEnumerable<ScoredRow>(scored, reuseRowObject: false, ignoreMissingColumns: true))
                delivered.Add(row.Score);
        });

        Assert.HasCount(2, delivered);
        Assert.Contains("row 2", e.Message);
        Assert.Contains("bad.png", e.Message);
        Assert.HasCount(1, Fitted.Scores(MLContext, MLContext.Data.TakeRows(scored, 1)));
        Assert.HasCount(2, Fitted.Scores(MLContext, MLContext.Data.TakeRows(scored, 2)));
    }

    [TestMethod]
    public void AfterABadImageTheNextRowsHaveTheirOwnScores()
    {
        using SharpnessAwareImageClassificationTransformer model = EncodedModel();
        List<EncodedRow> good = Shapes.Encoded(40, seed: 18);
        float[][] expected = Fitted.Scores(MLContext, model.Transform(MLContext.Data.LoadFromEnumerable(good)));
        List<EncodedRow> rows = [.. good];
        int[] bad = [0, 3, 4, 20, 39];
        foreach (int i in bad)
            rows[i] = new EncodedRow { Image = [1, 2, 3], ImagePath = $"bad {i}.png" };
        IDataView scored = model.Transform(MLContext.Data.LoadFromEnumerable(rows));
        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema);
        ValueGetter<VBuffer<float>> score = cursor.GetGetter<VBuffer<float>>(scored.Schema["Score"]);
        ValueGetter<ReadOnlyMemory<char>> path = cursor.GetGetter<ReadOnlyMemory<char>>(scored.Schema["ImagePath"]);
        VBuffer<float> value = default;
        ReadOnlyMemory<char> text = default;

        for (int i = 0; i < 40; i++)
        {
            Assert.IsTrue(cursor.MoveNext());
            path(ref text);
            Assert.AreEqual(rows[i].ImagePath, text.ToString());
            if (bad.Contains(i))
            {
                var e = Assert.Throws<InvalidOperationException>(() => score(ref value));
                Assert.Contains($"row {i} ", e.Message);
                Assert.Contains($"bad {i}.png", e.Message);
            }
            else
            {
                score(ref value);
                AssertAreEqual(expected[i], value.GetValues().ToArray());
            }
        }
        Assert.IsFalse(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
    }

    [TestMethod]
    public void ASourceThatFailsDoesSoAfterTheRowsThatItGave()
    {
        IEnumerable<PixelRow> Failing()
        {
            foreach (PixelRow row in Shapes.Pixels(5))
                yield return row;
            throw new TimeoutException("The camera is gone.");
        }
        IDataView scored = _model.Transform(MLContext.Data.LoadFromEnumerable(Failing()));
        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema);
        for (int i = 0; i < 5; i++)
            Assert.IsTrue(cursor.MoveNext());

        Assert.Throws<TimeoutException>(() => cursor.MoveNext());
        Assert.Throws<TimeoutException>(() => cursor.MoveNext());
    }

    private static SharpnessAwareImageClassificationTransformer EncodedModel() => Fitted.Model(
        MLContext, Fitted.View(MLContext, Shapes.Encoded(30)), options =>
        {
            options.Epoch = 1;
            options.ImageWidth = options.ImageHeight = Shapes.Size;
        });

    private static IEnumerable<T> Emptied<T>(ConcurrentQueue<T> queue)
    {
        while (queue.TryDequeue(out T? row))
            yield return row;
    }

    private static List<MutableRow> Mutable(int count) => [.. Shapes.Pixels(count, seed: 6).Select(pixel => new MutableRow
    {
        Image = pixel.Image,
        Number = pixel.Number,
        Text = $"row {pixel.Number}",
        Numbers = [pixel.Number, -pixel.Number],
        Words = [$"a{pixel.Number}", "b"],
    })];

    private static IEnumerable<MutableRow> OneObject(List<MutableRow> rows)
    {
        var one = new MutableRow { Image = new byte[rows[0].Image.Length], Numbers = new float[2], Words = new string[2] };
        foreach (MutableRow row in rows)
        {
            row.Image.CopyTo(one.Image, 0);
            row.Numbers.CopyTo(one.Numbers, 0);
            row.Words.CopyTo(one.Words, 0);
            (one.Number, one.Text) = (row.Number, row.Text);
            yield return one;
        }
    }

    private static MLImage Decoded(byte[] file)
    {
        using var stream = new MemoryStream(file);
        return MLImage.CreateFromStream(stream);
    }

    private static ScoredRow[] Scored(IDataView scored) => [.. MLContext.Data.CreateEnumerable<ScoredRow>(scored, reuseRowObject: false)];

    private static ScoredRow[] Scored(IDataView scored, Random random)
    {
        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema, random);
        ValueGetter<VBuffer<float>> score = cursor.GetGetter<VBuffer<float>>(scored.Schema["Score"]);
        ValueGetter<uint> label = cursor.GetGetter<uint>(scored.Schema["PredictedLabel"]);
        ValueGetter<int> number = cursor.GetGetter<int>(scored.Schema["Number"]);
        List<ScoredRow> rows = [];
        while (cursor.MoveNext())
        {
            VBuffer<float> value = default;
            uint key = 0;
            int index = 0;
            score(ref value);
            label(ref key);
            number(ref index);
            rows.Add(new ScoredRow { Score = value.GetValues().ToArray(), PredictedLabel = key, Number = index });
        }
        return [.. rows];
    }

    /// <summary>What a prediction engine says of each row by itself.</summary>
    private static ScoredRow[] Expected(List<PixelRow> pixels)
    {
        var engine = MLContext.Model.CreatePredictionEngine<PixelRow, ScoredRow>(_model);
        return [.. pixels.Select(engine.Predict)];
    }

    private static void AssertAreOf(List<PixelRow> pixels, ScoredRow[] scored)
    {
        ScoredRow[] expected = Expected(pixels);
        Assert.HasCount(expected.Length, scored);
        for (int i = 0; i < scored.Length; i++)
        {
            Assert.AreEqual(pixels[i].Number, scored[i].Number);
            Assert.AreEqual(expected[i].PredictedLabel, scored[i].PredictedLabel);
            AssertAreEqual(expected[i].Score, scored[i].Score);
        }
    }

    private static void AssertAreEqual(float[] expected, float[] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int k = 0; k < expected.Length; k++)
            Assert.AreEqual(expected[k], actual[k], 1e-5f);
    }

    private sealed class Numbered
    {
        public int Number { get; set; }
    }

    private sealed class MutableRow
    {
        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];

        public int Number { get; set; }

        public string Text { get; set; } = "";

        public float[] Numbers { get; set; } = [];

        public string[] Words { get; set; } = [];
    }

    private sealed class MutableScored : ScoredRow
    {
        public byte[] Image { get; set; } = [];

        public string Text { get; set; } = "";

        public float[] Numbers { get; set; } = [];

        public string[] Words { get; set; } = [];
    }

    private sealed class MemoryRow
    {
        [VectorType(1, Shapes.Size, Shapes.Size)]
        public byte[] Image { get; set; } = [];

        public ReadOnlyMemory<char> Text { get; set; }

        public ReadOnlyMemory<char>[] Texts { get; set; } = [];
    }

    private sealed class MemoryScored
    {
        public float[] Score { get; set; } = [];

        public ReadOnlyMemory<char> Text { get; set; }

        public ReadOnlyMemory<char>[] Texts { get; set; } = [];
    }

    private sealed class TwiceScored : ScoredRow
    {
        public float[] SecondScore { get; set; } = [];
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
