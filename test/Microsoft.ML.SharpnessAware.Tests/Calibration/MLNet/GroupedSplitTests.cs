using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>How groups are dealt; what becomes of rows is in HeldOutGroupTests.</summary>
[TestClass]
public sealed class GroupedSplitTests
{
    private static readonly double[] Thirds = [1, 1, 1];

    [TestMethod]
    public void NoPartStaysEmptyIfThereAreGroupsEnough()
    {
        var random = new Random(1);
        for (int trial = 0; trial < 2000; trial++)
        {
            long[] sizes = [.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => (long)Math.Exp(7 * random.NextDouble()))];
            double[] shares = [.. Enumerable.Range(0, random.Next(2, 8)).Select(_ => random.NextDouble() + 0.001)];
            long[] rows = RowsOf(sizes, shares, random);
            Assert.AreEqual(Math.Min(sizes.Length, shares.Length), rows.Count(count => count > 0));
            Assert.AreEqual(sizes.Sum(), rows.Sum());
        }
    }

    [TestMethod]
    public void PartsAreAsLargeAsAskedToWithinAGroup()
    {
        var random = new Random(2);
        for (int trial = 0; trial < 500; trial++)
        {
            long[] sizes = [.. Enumerable.Range(0, 200).Select(_ => random.NextInt64(1, 30))];
            double share = 0.05 + 0.9 * random.NextDouble();
            Assert.AreEqual(share * sizes.Sum(), RowsOf(sizes, [share, 1 - share], random)[0], 15);
            long[] thirds = RowsOf(sizes, Thirds, random);
            Assert.IsLessThanOrEqualTo(30, thirds.Max() - thirds.Min());
        }
    }

    [TestMethod]
    public void OneLargeGroupLeavesTheOtherPartAllTheOthers()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            long[] sizes = [900, .. Enumerable.Repeat(10L, 10)];
            CollectionAssert.AreEqual(new[] { 100L, 900L }, RowsOf(sizes, [0.25, 0.75], new Random(seed)));
            long[] thirds = RowsOf(sizes, Thirds, new Random(seed));
            CollectionAssert.AreEquivalent(new[] { 900L, 50L, 50L }, thirds);
        }
    }

    /// <summary>Each group is held out as often as the share says.</summary>
    [TestMethod]
    public void GroupsOfOneSizeAreDrawnEquallyOften()
    {
        int[] drawn = new int[12];
        for (int seed = 0; seed < 4000; seed++)
        {
            int[] parts = GroupedSplit.Deal(Enumerable.Repeat(7L, 12).ToArray(), [0.25, 0.75], SeededRandom.Create(seed));
            Assert.AreEqual(3, parts.Count(part => part == 0));
            for (int group = 0; group < parts.Length; group++)
                drawn[group] += 1 - parts[group];
        }

        foreach (int times in drawn)
            Assert.AreEqual(1000, times, 120);      // 4.4 standard deviations
    }

    [TestMethod]
    public void RowsStayWithTheirGroupWhenTheyAreReadInAnotherOrder()
    {
        var mlContext = new MLContext(3);
        Member[] rows = [.. Enumerable.Range(0, 600).Select(i => new Member { Team = $"team {i % 37}", Index = i })];
        IDataView test = GroupedSplit.TrainTest(mlContext, mlContext.Data.LoadFromEnumerable(rows), 0.3, "Team").TestSet;
        string[] expected = [.. test.GetColumn<string>("Team").Distinct()];
        Assert.AreEqual(180, test.GetColumn<int>("Index").Count(), 10);
        Assert.AreEqual(4, test.Schema.Count(column => !column.IsHidden));
        using DataViewRowCursor shuffled = test.GetRowCursor(test.Schema, new Random(1));
        ValueGetter<ReadOnlyMemory<char>> get = shuffled.GetGetter<ReadOnlyMemory<char>>(test.Schema["Team"]);
        ReadOnlyMemory<char> team = default;
        HashSet<string> teams = [];
        while (shuffled.MoveNext())
        {
            get(ref team);
            teams.Add(team.ToString());
        }

        CollectionAssert.AreEquivalent(expected, teams.ToArray());
    }

    [TestMethod]
    public void AColumnWithoutAnyValueDividesNothing()
    {
        var mlContext = new MLContext(3);
        IDataView data = mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(i => new Member
        { Team = "", Index = i, Number = double.NaN }).ToArray());
        foreach (string column in new[] { "Team", "Number" })
        {
            DataOperationsCatalog.TrainTestData split = GroupedSplit.TrainTest(mlContext, data, 0.3, column);
            Assert.AreEqual(12, split.TestSet.GetColumn<int>("Index").Count());
            Assert.AreEqual(40, split.TestSet.GetColumn<int>("Index").Concat(split.TrainSet.GetColumn<int>("Index")).Distinct().Count());
        }
    }

    [TestMethod]
    public void WhatCannotBeDividedIsRefusedWithItsName()
    {
        var mlContext = new MLContext(3);
        IDataView empty = mlContext.Data.LoadFromEnumerable(Array.Empty<Member>());
        IDataView one = mlContext.Data.LoadFromEnumerable(new[] { new Member { Team = "a" } });
        foreach ((IDataView data, string? column, string expected) in new[]
            {
                (empty, "Team", "no rows"), (empty, "Number", "no rows"), (one, "Team", "'Team'"), (empty, null, "too few rows"),
                (one, null, "too few rows"),
            })
        {
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
                () => GroupedSplit.TrainTest(mlContext, data, 0.3, column)).Message, expected);
            StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
                () => GroupedSplit.Folds(mlContext, data, 5, column)).Message, expected);
        }

        foreach ((string column, string expected) in new[] { ("Pair", "Vector"), ("Missing", "'Missing'") })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => GroupedSplit.TrainTest(mlContext, one, 0.3, column)).Message, expected);
    }

    /// <summary>A source that gives other rows each time cannot be kept apart.</summary>
    [TestMethod]
    public void DataThatChangeFromOneReadingToTheNextAreRefused()
    {
        var mlContext = new MLContext(3);
        int readings = 0;
        IDataView data = mlContext.Data.LoadFromEnumerable(Changing());
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => GroupedSplit.TrainTest(mlContext, data, 0.3, "Team").TrainSet.GetColumn<string>("Team").Count()).ToString(),
            "the data change");

        IEnumerable<Member> Changing()
        {
            int reading = readings++;
            for (int i = 0; i < 50; i++)
                yield return new Member { Team = $"team {i} of {reading / 3}" };
        }
    }

    private static long[] RowsOf(long[] sizes, double[] shares, Random random)
    {
        int[] parts = GroupedSplit.Deal(sizes, shares, random);
        long[] rows = new long[shares.Length];
        for (int group = 0; group < sizes.Length; group++)
            rows[parts[group]] += sizes[group];
        return rows;
    }

    private sealed class Member
    {
        public string Team { get; set; } = "";

        public int Index { get; set; }

        public double Number { get; set; }

        [VectorType(2)]
        public float[] Pair { get; set; } = [0, 0];
    }
}
