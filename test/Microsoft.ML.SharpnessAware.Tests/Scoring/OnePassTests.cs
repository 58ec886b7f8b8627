using System.Collections.Concurrent;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Transform reads its source once, row after row, whatever the source is.</summary>
[TestClass]
public sealed class OnePassTests : WithPixelModel
{
    [TestMethod]
    [DataRow(6)]
    [DataRow(2_000)]
    public void AQueueThatIsEmptiedGivesEachRowWithItsOwnScore(int rows)
    {
        List<PixelRow> pixels = Shapes.Pixels(rows, seed: 4);
        var queue = new ConcurrentQueue<PixelRow>(pixels);

        ScoredRow[] scored = Scored(Model.Transform(MLContext.Data.LoadFromEnumerable(Emptied(queue))));

        AssertAreOf(pixels, scored);
    }

    [TestMethod]
    public void AQueueIsEvaluatedAsAListIs()
    {
        List<PixelRow> pixels = Shapes.Pixels(2_000, seed: 5);
        IDataView fromList = Model.Transform(Fitted.View(MLContext, pixels));
        ITransformer keys = MLContext.Transforms.Conversion
            .MapValueToKey("Label", keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
            .Fit(MLContext.Data.LoadFromEnumerable(pixels));
        IDataView fromQueue = Model.Transform(
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

        Scored(Model.Transform(MLContext.Data.LoadFromEnumerable(Counted())));

        Assert.AreEqual(100, made);
    }

    [TestMethod]
    public void ASourceThatYieldsOneObjectAgainAndAgainKeepsItsRowsApart()
    {
        List<MutableRow> rows = Mutable(100);

        MutableScored[] scored = [.. MLContext.Data.CreateEnumerable<MutableScored>(
            Model.Transform(MLContext.Data.LoadFromEnumerable(OneObject(rows))), reuseRowObject: false)];

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

        IDataView scored = Model.Transform(MLContext.Data.LoadFromEnumerable(Overwritten()));
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
        IDataView scored = Model.Transform(
            MLContext.Data.LoadFromEnumerable(Emptied(new ConcurrentQueue<PixelRow>(pixels))));

        ScoredRow[] all = [.. Enumerable.Range(0, 2).AsParallel().WithDegreeOfParallelism(2).SelectMany(_ => Scored(scored))];

        AssertAreOf(pixels, [.. all.OrderBy(row => row.Number)]);
    }

    [TestMethod]
    public void ShuffledRowsKeepTheirScores()
    {
        List<PixelRow> pixels = Shapes.Pixels(200, seed: 8);
        IDataView source = MLContext.Data.Cache(MLContext.Data.LoadFromEnumerable(pixels));
        IDataView scored = Model.Transform(source);
        Assert.IsTrue(scored.CanShuffle);
        Assert.IsFalse(Model.Transform(MLContext.Data.LoadFromEnumerable(pixels)).CanShuffle);

        ScoredRow[] byCursor = Scored(scored, new Random(1));
        ScoredRow[] after = Scored(MLContext.Data.ShuffleRows(scored, seed: 1));
        ScoredRow[] before = Scored(Model.Transform(MLContext.Data.ShuffleRows(source, seed: 1)));

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
        IDataView scored = Model.Transform(MLContext.Data.LoadFromEnumerable(Endless()));

        ScoredRow[] five = Scored(MLContext.Data.TakeRows(scored, 5));

        AssertAreOf(Shapes.Pixels(50, seed: 9)[..5], five);
        Assert.IsLessThan(50, made);
        Assert.HasCount(3, Scored(Model.Transform(MLContext.Data.TakeRows(MLContext.Data.LoadFromEnumerable(Endless()), 3))));
    }

    [TestMethod]
    public void TheFirstRowIsThereBeforeTheSecondIsAskedFor()
    {
        using var rows = new BlockingCollection<PixelRow> { Shapes.Pixels(1)[0] };
        IDataView scored = Model.Transform(MLContext.Data.LoadFromEnumerable(rows.GetConsumingEnumerable()));
        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema);

        Assert.IsTrue(cursor.MoveNext());

        rows.CompleteAdding();
        Assert.IsFalse(cursor.MoveNext());
    }

    [TestMethod]
    public void RowIdsArePassedOn()
    {
        IDataView source = MLContext.Data.ShuffleRows(MLContext.Data.LoadFromEnumerable(Shapes.Pixels(70, seed: 11)), seed: 3);
        IDataView scored = Model.Transform(source);

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

        IDataView both = second.Transform(Model.Transform(
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
        using SharpnessAwareImageClassificationTransformer warm = Model.WithTemperature(3);
        ScoredRow[] rows = Scored(Model.Transform(warm.Transform(MLContext.Data.LoadFromEnumerable(pixels))));

        AssertAreOf(pixels, rows);
    }

    [TestMethod]
    public void CachedAndFilteredRowsKeepTheirScores()
    {
        List<PixelRow> pixels = Shapes.Pixels(100, seed: 14);
        IDataView queue = Model.Transform(MLContext.Data.LoadFromEnumerable(Emptied(new ConcurrentQueue<PixelRow>(pixels))));
        IDataView cached = MLContext.Data.Cache(queue, "Number", "Score", "PredictedLabel");

        AssertAreOf(pixels, Scored(cached));
        AssertAreOf(pixels, Scored(cached));
        AssertAreOf(pixels[20..30], Scored(Filtered(Model.Transform(MLContext.Data.LoadFromEnumerable(pixels)))));
        AssertAreOf(pixels[20..30], Scored(Model.Transform(Filtered(MLContext.Data.LoadFromEnumerable(pixels)))));

        static IDataView Filtered(IDataView view) =>
            MLContext.Data.FilterByCustomPredicate<Numbered>(view, row => row.Number is < 20 or >= 30);
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
}
