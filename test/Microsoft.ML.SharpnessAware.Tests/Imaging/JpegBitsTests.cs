namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Reading several codes at once against reading one at a time.</summary>
[TestClass]
public sealed class JpegBitsTests
{
    private static readonly byte[] Counts = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125]; // of the usual table for brightness

    [TestMethod]
    public void CodesReadTogetherAreThoseReadOneByOne()
    {
        var random = new Random(1);
        for (int round = 0; round < 400; round++)
        {
            (byte[] counts, byte[] values) = Table(random, round);
            var dc = new JpegHuffmanTable(
                [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], isAc: false);
            JpegHuffmanTable one = new(counts, values, isAc: true), several = new(counts, values, isAc: true);
            several.PrepareRuns();
            Assert.AreNotSame(several.Steps, several.Runs);
            byte[] file = new byte[random.Next(400)];
            random.NextBytes(file);
            if (round % 2 == 0)
                file.AsSpan().Replace((byte)0xFF, (byte)0xFE); // else there are markers, and data with zeros in between
            JpegBits single = new(file, 0), together = new(file, 0);
            bool isGood = true;
            for (int block = 0; isGood; block++)
            {
                isGood = single.SkipBlock(dc, one);
                Assert.AreEqual(isGood, together.SkipBlock(dc, several), $"round {round}, block {block}");
                Assert.AreEqual(single.IsAtEnd, together.IsAtEnd, $"round {round}, block {block}");
                if (isGood)
                    Assert.AreEqual(single.Take(5), together.Take(5), $"round {round}, block {block}");
                isGood &= !single.IsAtEnd;
            }

            (int, bool) rest = single.Rest();
            if (isGood)
                Assert.AreEqual(rest, together.Rest(), $"round {round}");
        }
    }

    /// <summary>The usual lengths of codes, fewer long ones, all short, sixteen zeros in a code of one bit: whatever the values
    /// are.</summary>
    private static (byte[] Counts, byte[] Values) Table(Random random, int round)
    {
        byte[] counts = (round % 4) switch
        {
            0 => Counts,
            1 => [0, 1, 1, 2, 4, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            2 => [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            _ => [.. Enumerable.Range(0, 16).Select(length => (byte)(length < 3 ? 0 : random.Next(1 << Math.Min(length - 2, 6))))],
        };
        byte[] values = new byte[counts.Sum(count => count)];
        random.NextBytes(values);
        foreach (int i in Enumerable.Range(0, values.Length).Where(i => i % 2 == 0))
            values[i] &= 0xF3; // short values, as most are
        values[0] = (round / 4 % 4) switch { 0 => 0xF0, 1 => 0, _ => 1 };
        return (counts, values);
    }
}
