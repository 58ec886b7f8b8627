using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What the processes of a group exchange in a step, each of which has a part of the mini-batch: means over the whole of it, the same bits
/// for all.
/// </summary>
internal sealed class GradientExchange(ProcessGroup group, FlatParameters parameters)
{
    private const long ValuesAtATime = 1 << 26;

    /// <summary>The share of this process in the mini-batch of the last mean.</summary>
    private double _share;

    /// <summary>
    /// Replaces vectors as long as W, which are means over this process' samples, by those over all, and says which parameters have a
    /// gradient anywhere.
    /// </summary>
    /// <param name="loss">The mean loss of this process' samples.</param>
    /// <param name="weight">What they count; 0 where there are none.</param>
    /// <param name="vectors">The vectors: gradients.</param>
    /// <returns>The mean loss of all samples.</returns>
    public double Mean(double loss, double weight, params ReadOnlySpan<Tensor> vectors)
    {
        int without = parameters.Members.Count(member => !member.HasGradient);
        (double total, double sum, double anyWithout) = group.SumOf(weight, weight == 0 ? 0 : weight * loss, without);
        _share = weight / total;
        using Scalar share = _share.ToScalar();
        foreach (Tensor vector in vectors)
            Sum(group, vector.mul_(share));
        if (anyWithout > 0)
            ShareWhoHasAGradient();
        return sum / total;
    }

    /// <summary>
    /// Makes running statistics those of all processes after a step: a layer's next ones are the last and those of the mini-batch, and so
    /// the mean of all is that with the mean of theirs.
    /// </summary>
    /// <inheritdoc cref="AverageBy"/>
    public void Average(FlatBuffers buffers, Tensor[] before) => AverageBy(_share, buffers, before);

    /// <summary>Makes running statistics the mean of those of all processes, by weights of theirs.</summary>
    /// <inheritdoc cref="AverageBy"/>
    public void Average(FlatBuffers buffers, Tensor[] before, double weight) =>
        AverageBy(weight / group.SumOf(weight).A, buffers, before);

    /// <summary>Where this process' items are among those of all, in the order of ranks.</summary>
    public (int Before, int All) PlaceOf(int count)
    {
        double[] counts = new double[group.Size];
        counts[group.Rank] = count;
        group.AllReduceSum(counts);
        return ((int)counts.Take(group.Rank).Sum(), (int)counts.Sum());
    }

    /// <summary>Gives all processes the first one's values.</summary>
    public void TakeFromFirst(IEnumerable<Tensor> vectors)
    {
        foreach (Tensor vector in vectors)
            ForEachPart(vector, bytes => group.Broadcast(bytes));
    }

    /// <summary>Replaces a vector by the sum of those of all processes of a group.</summary>
    public static void Sum(ProcessGroup group, Tensor vector, long valuesAtATime = ValuesAtATime)
    {
        BytesAction sum = vector.dtype switch
        {
            ScalarType.Float32 => bytes => group.AllReduceSum(MemoryMarshal.Cast<byte, float>(bytes)),
            ScalarType.Float64 => bytes => group.AllReduceSum(MemoryMarshal.Cast<byte, double>(bytes)),
            _ => throw new ArgumentException($"{vector.dtype} is summed as Float32, and must be converted first.", nameof(vector)),
        };
        ForEachPart(vector, sum, valuesAtATime);
    }

    /// <remarks>What no process has changed stays to the last bit, where a mean would round. What one has changed is the same for all
    /// afterwards, whatever it was before.</remarks>
    /// <param name="share">What this process' statistics count.</param>
    /// <param name="buffers">The statistics.</param>
    /// <param name="before">What they were before they changed.</param>
    private void AverageBy(double share, FlatBuffers buffers, Tensor[] before)
    {
        using DisposeScope scope = NewDisposeScope();
        using Scalar held = share.ToScalar();
        foreach ((Tensor statistics, Tensor old) in buffers.Vectors.Zip(before).Where(pair => pair.First.is_floating_point()))
        {
            long count = statistics.numel();
            ScalarType type = statistics.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
            Tensor sums = cat([statistics.to(type) * held, statistics.ne(old).to(type)]);
            Sum(group, sums);
            Tensor isChanged = sums.narrow(0, count, count).ne(FixedScalars.Zero);
            statistics.copy_(where(isChanged, sums.narrow(0, 0, count).to(statistics.dtype), statistics));
        }
    }

    private void ShareWhoHasAGradient()
    {
        double[] have = [.. parameters.Members.Select(member => member.HasGradient ? 1.0 : 0)];
        group.AllReduceSum(have);
        for (int i = 0; i < have.Length; i++)
            parameters.Members[i].HasGradient = have[i] > 0;
    }

    private static void ForEachPart(Tensor vector, BytesAction exchange, long valuesAtATime = ValuesAtATime)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor host = vector.cpu().view(-1);     // itself where it is there already
        for (long start = 0; start < host.numel(); start += valuesAtATime)
            exchange(host.narrow(0, start, Math.Min(valuesAtATime, host.numel() - start)).bytes);
        if (vector.device_type != DeviceType.CPU)
            vector.copy_(host.view(vector.shape));
    }

    private delegate void BytesAction(Span<byte> bytes);
}
