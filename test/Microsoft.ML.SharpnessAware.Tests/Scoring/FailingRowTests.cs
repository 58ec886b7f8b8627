using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>A row that fails does so by itself: those before it, and those after it, have their scores.</summary>
[TestClass]
public sealed class FailingRowTests : WithPixelModel
{
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
        IDataView scored = Model.Transform(MLContext.Data.LoadFromEnumerable(Failing()));
        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema);
        for (int i = 0; i < 5; i++)
            Assert.IsTrue(cursor.MoveNext());

        Assert.Throws<TimeoutException>(() => cursor.MoveNext());
        Assert.Throws<TimeoutException>(() => cursor.MoveNext());
    }

    [TestMethod]
    public void ACursorThatCannotBeMadeLeavesNoneOfTheSourceOpen()
    {
        var source = new Broken(MLContext.Data.LoadFromEnumerable(Shapes.Pixels(5)));
        IDataView scored = Model.Transform(source);

        Assert.Throws<TimeoutException>(() => scored.GetRowCursor(scored.Schema));

        Assert.AreEqual(1, source.Opened);
        Assert.AreEqual(1, source.Disposed);
    }

    private static SharpnessAwareImageClassificationTransformer EncodedModel() => Fitted.Model(
        MLContext, Fitted.View(MLContext, Shapes.Encoded(30)), options =>
        {
            options.Epoch = 1;
            options.ImageWidth = options.ImageHeight = Shapes.Size;
        });

    /// <summary>Rows without an identity.</summary>
    private sealed class Broken(IDataView rows) : IDataView
    {
        public int Opened { get; private set; }

        public int Disposed { get; private set; }

        public DataViewSchema Schema => rows.Schema;

        public bool CanShuffle => false;

        public long? GetRowCount() => null;

        public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
        {
            Opened++;
            return new Cursor(this, rows.GetRowCursor(columnsNeeded, rand));
        }

        public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
            [GetRowCursor(columnsNeeded, rand)];

        private sealed class Cursor(Broken view, DataViewRowCursor rows) : DataViewRowCursor
        {
            public override DataViewSchema Schema => rows.Schema;

            public override long Position => rows.Position;

            public override long Batch => rows.Batch;

            public override bool MoveNext() => rows.MoveNext();

            public override bool IsColumnActive(DataViewSchema.Column column) => rows.IsColumnActive(column);

            public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => rows.GetGetter<TValue>(column);

            public override ValueGetter<DataViewRowId> GetIdGetter() => throw new TimeoutException("The camera is gone.");

            protected override void Dispose(bool disposing)
            {
                view.Disposed++;
                rows.Dispose();
                base.Dispose(disposing);
            }
        }
    }
}
