using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The score s of each class of a row, and the set of classes whose score is at most a threshold. With r the rank of a class, 1 for the
/// most probable, and p<sub>(j)</sub> the j-th largest probability: least ambiguous s = 1 − p; adaptive s = Σ<sub>j ≤ r</sub>
/// p<sub>(j)</sub> − U p<sub>(r)</sub>; regularised s = adaptive + λ max(r − k, 0).
/// </summary>
/// <param name="Kind">Which of the three.</param>
/// <param name="Seed">Of U, which is drawn by a hash of the row's probabilities: the same row always gets the same, in whatever order and
/// however it is read, and calibration and later rows are treated alike.</param>
/// <param name="Penalty">λ, for the regularised score.</param>
/// <param name="FreeRanks">k, the ranks without penalty.</param>
internal sealed record Nonconformity(PredictionSetScore Kind, int Seed, double Penalty = 0, int FreeRanks = 0)
{
    // Sums of the same probabilities in another order differ in their last bits.
    public const double Rounding = 1e-12;

    /// <summary>The score of one class without the penalty, and its rank.</summary>
    public (double Score, int Rank) Of(ReadOnlySpan<float> probabilities, int label)
    {
        float own = probabilities[label];
        if (Kind == PredictionSetScore.LeastAmbiguous)
            return (1.0 - own, 1);
        // Of equal probabilities the earlier class comes first.
        (double before, int earlier) = Above(probabilities[..label], MathF.BitDecrement(own));
        (double after, int later) = Above(probabilities[(label + 1)..], own);
        return (before + after + (1 - Uniform(probabilities)) * own, 1 + earlier + later);
    }

    public double Penalised(double score, int rank) => score + Penalty * Math.Max(rank - FreeRanks, 0);

    /// <summary>Writes the classes in the set, most probable first; returns how many they are.</summary>
    /// <param name="probabilities">One row.</param>
    /// <param name="thresholds">For each class, or one for all.</param>
    /// <param name="set">Receives the classes; as long as the row.</param>
    /// <param name="ranked">Orders the classes.</param>
    public int Fill(ReadOnlySpan<float> probabilities, double[] thresholds, Span<int> set, RankedClasses ranked)
    {
        bool isLeastAmbiguous = Kind == PredictionSetScore.LeastAmbiguous, isCommon = thresholds.Length == 1;
        double largest = TensorPrimitives.Max<double>(thresholds) + Rounding;
        double above = 0, share = isLeastAmbiguous ? 0 : 1 - Uniform(probabilities);
        int count = 0, rank = 0;
        ranked.Start(probabilities);
        for (ReadOnlySpan<int> next = ranked.Next(); next.Length > 0; next = ranked.Next())
        {
            foreach (int k in next)
            {
                rank++;
                double own = probabilities[k];
                double score = isLeastAmbiguous ? 1 - own : Penalised(above + share * own, rank);
                if (score > largest)
                    return count;       // scores do not fall with the rank
                if (isCommon || score <= thresholds[k] + Rounding)
                    set[count++] = k;
                above += own;
            }
        }

        return count;
    }

    /// <summary>The sum and the number of the values above a limit.</summary>
    private static (double Sum, int Count) Above(ReadOnlySpan<float> values, float limit)
    {
        Vector<double> sums = Vector<double>.Zero;
        Vector<int> counts = Vector<int>.Zero;
        Vector<float> limits = new(limit);
        int k = 0;
        for (; k <= values.Length - Vector<float>.Count; k += Vector<float>.Count)
        {
            Vector<float> some = new(values[k..]);
            Vector<int> above = Vector.GreaterThan(some, limits);
            Vector.Widen(Vector.ConditionalSelect(above, some, Vector<float>.Zero), out Vector<double> low, out Vector<double> high);
            sums += low + high;
            counts -= above;        // true is −1
        }

        double sum = Vector.Sum(sums);
        int count = Vector.Sum(counts);
        for (; k < values.Length; k++)
        {
            sum += values[k] > limit ? values[k] : 0;
            count += values[k] > limit ? 1 : 0;
        }

        return (sum, count);
    }

    /// <summary>From 0 to below 1.</summary>
    private double Uniform(ReadOnlySpan<float> probabilities)
    {
        // Four at a time, since each step of one hash waits for the one before.
        const ulong Factor = 0xD6E8FEB86659FD93;
        ulong start = (uint)Seed + 0x9E3779B97F4A7C15;
        (ulong a, ulong b, ulong c, ulong d) = (start, start ^ 1, start ^ 2, start ^ 3);
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(probabilities);
        int k = 0;
        for (; k <= bits.Length - 4; k += 4)
        {
            (a, b) = ((a ^ bits[k]) * Factor, (b ^ bits[k + 1]) * Factor);
            (c, d) = ((c ^ bits[k + 2]) * Factor, (d ^ bits[k + 3]) * Factor);
            (a, b, c, d) = (a ^ (a >> 32), b ^ (b >> 32), c ^ (c >> 32), d ^ (d >> 32));
        }

        ulong hash = a;
        foreach (ulong part in (ReadOnlySpan<ulong>)[b, c, d])
            hash = ((hash ^ part) * Factor) ^ (hash >> 32);
        for (; k < bits.Length; k++)
        {
            hash = (hash ^ bits[k]) * Factor;
            hash ^= hash >> 32;
        }

        return (SplitMix64.Next(ref hash) >> 11) * Math.ScaleB(1, -53);
    }
}
