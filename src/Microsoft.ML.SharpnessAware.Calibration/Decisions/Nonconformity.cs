using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The score s of each class of a row, and the set of classes whose score is at most a threshold. With r the rank of a class, 1 for the
/// most probable, and p<sub>(j)</sub> the j-th largest probability: least ambiguous s = 1 − p; adaptive s = Σ<sub>j ≤ r</sub>
/// p<sub>(j)</sub> − U p<sub>(r)</sub>; regularised s = adaptive + λ max(r − k, 0).
/// </summary>
/// <param name="Score">Which of the three.</param>
/// <param name="Seed">Of U, which is drawn by a hash of the row's probabilities: the same row always gets the same, in whatever order and
/// however it is read, and calibration and later rows are treated alike. The hash is of the second and the third largest probability, to
/// about one part in a hundred, since their last digits depend on how many rows a network is given at a time.</param>
/// <param name="Penalty">λ, for the regularised score.</param>
/// <param name="FreeRanks">k, the ranks without penalty.</param>
internal sealed record Nonconformity(PredictionSetScore Score, int Seed, double Penalty = 0, int FreeRanks = 0)
{
    // Sums of the same probabilities in another order differ in their last bits.
    public const double Rounding = 1e-12;

    private const ulong Factor = 0xD6E8FEB86659FD93;

    /// <summary>Whether U is drawn by all bits of all probabilities, as in files of earlier versions: a row whose scores differ in their
    /// last digit gets another one.</summary>
    public bool DrawsByAllBits { get; init; }

    /// <summary>The score of one class without the penalty, and its rank.</summary>
    public (double Score, int Rank) Of(ReadOnlySpan<float> probabilities, int label)
    {
        float own = probabilities[label];
        if (Score == PredictionSetScore.LeastAmbiguous)
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
        bool isLeastAmbiguous = Score == PredictionSetScore.LeastAmbiguous, isCommon = thresholds.Length == 1;
        double largest = (isCommon ? thresholds[0] : TensorPrimitives.Max<double>(thresholds)) + Rounding;
        ranked.Start(probabilities);
        if (isLeastAmbiguous && isCommon)
            return FillMostProbable(probabilities, largest, set, ranked);

        // One sum for all scores: 1 − p is 1 with a share of −1, and stays with the rank.
        (double above, double share, double grows) = isLeastAmbiguous ? (1, -1, 0) : (0.0, 1 - Uniform(probabilities), 1);
        (double penalty, int freeRanks) = (Penalty, FreeRanks);
        double score = 0;
        int count = 0, rank = 0;
        for (ReadOnlySpan<int> next = ranked.Next(); next.Length > 0 && score <= largest; next = ranked.Next())
        {
            // Scores do not fall with the rank, but where the set ends no processor could predict: it is quicker to go on.
            foreach (int k in next)
            {
                rank++;
                double own = probabilities[k];
                score = above + share * own + penalty * Math.Max(rank - freeRanks, 0);
                set[count] = k;
                count += score <= (isCommon ? largest : thresholds[k] + Rounding) ? 1 : 0;
                above += grows * own;
            }
        }

        return count;
    }

    /// <summary>Least ambiguous, with one threshold for all: in order of their probabilities, without a look at most of them.</summary>
    private static int FillMostProbable(ReadOnlySpan<float> probabilities, double threshold, Span<int> set, RankedClasses ranked)
    {
        int count = 0;
        for (ReadOnlySpan<int> next = ranked.Next(); next.Length > 0; next = ranked.Next())
        {
            bool areAll = 1.0 - probabilities[next[^1]] <= threshold;
            int members = areAll ? next.Length : 0;
            for (int i = 0; i < next.Length && !areAll; i++)
                members += 1.0 - probabilities[next[i]] <= threshold ? 1 : 0;
            next[..members].CopyTo(set[count..]);
            count += members;
            if (!areAll)
                break;
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
        ulong start = (uint)Seed + 0x9E3779B97F4A7C15;
        ulong hash = DrawsByAllBits ? OfAllBits(probabilities, start) : OfRunnersUp(probabilities, start);
        return (SplitMix64.Next(ref hash) >> 11) * Math.ScaleB(1, -53);
    }

    private static ulong OfRunnersUp(ReadOnlySpan<float> probabilities, ulong hash)
    {
        (float first, float second, float third) = (0, 0, 0);
        foreach (float p in probabilities)
        {
            if (p <= third)
                continue;
            third = Math.Min(p, second);
            (first, second) = (Math.Max(first, p), Math.Max(second, Math.Min(first, p)));
        }

        foreach (float p in (ReadOnlySpan<float>)[second, third])
        {
            // To the nearest of 64 steps between a power of two and the next.
            const int Dropped = 23 - 6;
            hash = (hash ^ ((BitConverter.SingleToUInt32Bits(p) + (1u << (Dropped - 1))) >> Dropped)) * Factor;
            hash ^= hash >> 32;
        }

        return hash;
    }

    private static ulong OfAllBits(ReadOnlySpan<float> probabilities, ulong start)
    {
        // Four at a time, since each step of one hash waits for the one before.
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

        return hash;
    }
}
