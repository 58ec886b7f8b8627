using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads a data set that processes share out: each reads all labels, and the images of its own rows. That they read the same data is seen
/// by the labels, and by the images of a few rows that all look at.
/// </summary>
internal sealed class SharedDatasetLoader(ImageDatasetLoader loader, ProcessGroup group)
{
    private const int RowsToCompare = 16;

    /// <exception cref="InvalidOperationException">As for a data set that is not shared out; or the processes read different data, or there
    /// are fewer rows than processes.</exception>
    public ImageDataset Load()
    {
        long[] labels = ReadLabels();
        CheckSame("labels", SHA256.HashData(MemoryMarshal.AsBytes<long>(labels)), labels.Length);
        if (labels.Length < group.Size)
        {
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture,
                $"{labels.Length} image(s) cannot be dealt out to {group.Size} processes (Sharding). Start fewer processes, or let each ") +
                "of them keep all images (DataSharding.None).");
        }

        RowOwners owners = RowOwners.Deal(labels, group.Size, group);
        long[] own = owners.Own;
        HashSet<long> compared = [.. Enumerable.Range(0, RowsToCompare).Select(i => (long)i * labels.Length / RowsToCompare)];
        using var content = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        loader.RowsToRead = own.Length;
        loader.RowsOfLabels = labels.Length;
        loader.Reads = row => row < labels.Length && owners.IsHere(row);
        loader.CountOfAll = CountOfAll;
        loader.Visit = (reader, row) =>
        {
            if (row == 0)
                content.GetHashAndReset();      // the data may be read more than once
            if (compared.Contains(row))
                reader.AddContentTo(content);
        };
        using ImageDataset here = loader.Load();
        CheckLabels(here, labels, own);
        CheckSame($"images of {compared.Count} rows that were compared", content.GetHashAndReset(), labels.Length);

        long[] good = WithoutBad(labels.Length, own);
        return here.AsShareOf(Array.ConvertAll(good, row => labels[row]), owners.Subset(good));
    }

    /// <summary>The rows that are read with their images are those whose labels were read.</summary>
    private void CheckLabels(ImageDataset here, long[] labels, long[] own)
    {
        HashSet<long> bad = [.. loader.BadRows];
        IEnumerable<long> expected = own.Where((_, place) => !bad.Contains(place)).Select(row => labels[row]);
        if (!expected.SequenceEqual(here.Labels.data<long>()))
        {
            throw ImageDatasetLoader.OtherRows(
                $"The data gave other labels in column '{loader.Labels.Column.Name}' when it was read again");
        }
    }

    private long[] ReadLabels()
    {
        var all = new List<long>();
        using DataViewRowCursor cursor = loader.Data.GetRowCursor([loader.Labels.Column]);
        Func<long> readLabel = loader.Labels.OpenReader(cursor);
        while (cursor.MoveNext())
        {
            loader.CheckCancelled?.Invoke();
            all.Add(readLabel());
        }
        return [.. all];
    }

    private void CheckSame(string what, byte[] own, int rows)
    {
        long ofFirst = (long)group.SumOf(group.Rank == 0 ? rows : 0).A;
        byte[] first = [.. own];
        group.Broadcast(first);
        if (first.AsSpan().SequenceEqual(own))
            return;
        string difference = rows == ofFirst
            ? $"the {what} are others"
            : string.Create(CultureInfo.InvariantCulture, $"{rows} rows here and {ofFirst} there");
        throw new InvalidOperationException($"Process {group.Rank} reads other data than process 0: {difference}. With Sharding ByRow " +
            "all processes need the same data view, in the same order, of which each decodes its own rows.");
    }

    private (long Grey, long Colored) CountOfAll(long grey, long colored)
    {
        (double allGrey, double allColored, _) = group.SumOf(grey, colored);
        return ((long)allGrey, (long)allColored);
    }

    /// <summary>The rows that are left when all processes have left out their bad images.</summary>
    private long[] WithoutBad(int rows, long[] own)
    {
        IEnumerable<long> all = Enumerable.Range(0, rows).Select(row => (long)row);
        if (group.SumOf(loader.BadRows.Count).A == 0)
            return [.. all];
        float[] isBad = new float[rows];
        foreach (long place in loader.BadRows)
            isBad[own[place]] = 1;
        group.AllReduceSum(isBad);
        return [.. all.Where(row => isBad[row] == 0)];
    }
}
