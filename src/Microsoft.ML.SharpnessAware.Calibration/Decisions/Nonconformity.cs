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
    private const double Rounding = 1e-12;
    private const int Picks = 16;

    /// <summary>The score of one class without the penalty, and its rank.</summary>
    public (double Score, int Rank) Of(ReadOnlySpan<float> probabilities, int label)
    {
        float own = probabilities[label];
        if (Kind == PredictionSetScore.LeastAmbiguous)
            return (1.0 - own, 1);
        double above = 0;
        int rank = 1;
        for (int k = 0; k < probabilities.Length; k++)
        {
            if (probabilities[k] > own || (probabilities[k] == own && k < label))
            {
                above += probabilities[k];
                rank++;
            }
        }

        return (above + (1 - Uniform(probabilities)) * own, rank);
    }

    public double Penalised(double score, int rank) => score + Penalty * Math.Max(rank - FreeRanks, 0);

    /// <summary>Writes the classes in the set, most probable first; returns how many they are.</summary>
    /// <param name="probabilities">One row.</param>
    /// <param name="thresholds">For each class, or one for all.</param>
    /// <param name="set">Receives the classes; as long as the row.</param>
    /// <param name="scratch">As long as the row; used up.</param>
    public int Fill(ReadOnlySpan<float> probabilities, double[] thresholds, Span<int> set, Span<ulong> scratch)
    {
        double largest = thresholds.Max() + Rounding;
        double above = 0, uniform = Kind == PredictionSetScore.LeastAmbiguous ? 0 : Uniform(probabilities);
        for (int k = 0; k < probabilities.Length; k++)
            scratch[k] = SortKey(probabilities[k], k);
        int count = 0;
        for (int rank = 1; rank <= probabilities.Length; rank++)
        {
            // A few classes are picked one by one; where sets are large, what is left is sorted.
            if (rank <= Picks)
                MoveSmallestTo(scratch, rank - 1);
            else if (rank == Picks + 1)
                scratch[Picks..].Sort();
            int k = (int)(uint)scratch[rank - 1];
            float own = probabilities[k];
            double score = Kind == PredictionSetScore.LeastAmbiguous ? 1.0 - own : Penalised(above + (1 - uniform) * own, rank);
            if (score > largest)
                break;      // scores do not fall with the rank
            if (score <= thresholds[thresholds.Length == 1 ? 0 : k] + Rounding)
                set[count++] = k;
            above += own;
        }

        return count;
    }

    /// <summary>From 0 to below 1.</summary>
    private double Uniform(ReadOnlySpan<float> probabilities)
    {
        ulong hash = (uint)Seed + 0x9E3779B97F4A7C15;
        foreach (float probability in probabilities)
        {
            hash = (hash ^ BitConverter.SingleToUInt32Bits(probability)) * 0xD6E8FEB86659FD93;
            hash ^= hash >> 32;
        }

        return (SplitMix64.Next(ref hash) >> 11) * Math.ScaleB(1, -53);
    }

    /// <summary>Smaller for a larger probability, then for an earlier class.</summary>
    private static ulong SortKey(float probability, int k) =>
        (ulong)~BitConverter.SingleToUInt32Bits(Math.Max(probability, 0f)) << 32 | (uint)k;

    private static void MoveSmallestTo(Span<ulong> keys, int place)
    {
        int smallest = place;
        for (int i = place + 1; i < keys.Length; i++)
        {
            if (keys[i] < keys[smallest])
                smallest = i;
        }

        (keys[place], keys[smallest]) = (keys[smallest], keys[place]);
    }
}
