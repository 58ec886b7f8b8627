using System.Security.Cryptography;
using System.Text;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Which process of a group has the image of each row of a data set, where each has some.</summary>
internal sealed class RowOwners
{
    private readonly int[] _owners;

    private RowOwners(ProcessGroup? group, int parts, int[] owners) => (Group, Parts, _owners) = (group, parts, owners);

    /// <summary>The processes. Null where this one has the images of all rows, and is to see them in the order of shares all the
    /// same.</summary>
    public ProcessGroup? Group { get; }

    /// <summary>How many there are.</summary>
    public int Parts { get; }

    /// <summary>The rows whose images are here, rising.</summary>
    public long[] Own => [.. Enumerable.Range(0, _owners.Length).Where(row => IsHere(row)).Select(row => (long)row)];

    /// <summary>The rank of the process that has the image of a row.</summary>
    public int this[long row] => _owners[row];

    /// <summary>
    /// Deals rows out class by class, one to each in turn: however the rows are sorted, all get as many of each class, but for one, and as
    /// many rows, but for one.
    /// </summary>
    /// <param name="labels">The class of each row, from 0.</param>
    /// <param name="parts">How many get some.</param>
    /// <param name="group">The processes, as many; null where this one keeps all.</param>
    public static RowOwners Deal(ReadOnlySpan<long> labels, int parts, ProcessGroup? group)
    {
        long[] next = new long[labels.Length == 0 ? 0 : Max(labels) + 1];   // the place of each class' next row, if they were sorted
        foreach (long label in labels)
            next[label]++;
        long before = 0;
        for (int i = 0; i < next.Length; i++)
            (next[i], before) = (before, before + next[i]);
        int[] owners = new int[labels.Length];
        for (int row = 0; row < owners.Length; row++)
            owners[row] = (int)(next[labels[row]]++ % parts);
        return new(group, parts, owners);
    }

    public bool IsHere(long row) => Group is null || _owners[row] == Group.Rank;

    /// <summary>The owners of the given rows.</summary>
    public RowOwners Subset(long[] rows) => new(Group, Parts, Array.ConvertAll(rows, row => _owners[row]));

    /// <summary>For each row, which of the images here is its; −1 where it is elsewhere: int64 [N].</summary>
    public Tensor Places()
    {
        long[] places = new long[_owners.Length];
        long next = 0;
        for (int row = 0; row < places.Length; row++)
            places[row] = IsHere(row) ? next++ : -1;
        return tensor(places, device: CPU);
    }

    /// <summary>One hash for those that all processes have of their own images.</summary>
    public string HashOfAll(string own)
    {
        byte[] all = SHA256.HashData(Encoding.ASCII.GetBytes(string.Join(' ', TextsOfAll(own))));
        return Convert.ToHexString(all);
    }

    /// <summary>What each process says, in the order of ranks.</summary>
    public string[] TextsOfAll(string own)
    {
        if (Group is null)
            return [own];
        byte[] text = Encoding.UTF8.GetBytes(own);
        double[] lengths = new double[Parts];
        lengths[Group.Rank] = text.Length;
        Group.AllReduceSum(lengths);
        string[] texts = new string[Parts];
        for (int rank = 0; rank < Parts; rank++)
        {
            byte[] its = rank == Group.Rank ? text : new byte[(int)lengths[rank]];
            if (its.Length > 0)
                Group.Broadcast(its, rank);
            texts[rank] = Encoding.UTF8.GetString(its);
        }
        return texts;
    }

    private static long Max(ReadOnlySpan<long> values)
    {
        long max = 0;
        foreach (long value in values)
            max = Math.Max(max, value);
        return max;
    }
}
