using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.SharpnessAware.Tests.Fuzzing;

/// <summary>Damages files: a few of the changes that break readers, all drawn from the generator given.</summary>
internal static class Mutator
{
    private const int MaximumGrowth = 1 << 12;

    private static readonly long[] Interesting =
    [
        0, 1, -1, 2, 7, 8, 16, 64, 100, 127, 128, 255, 256, 1000, 1024, 4096, short.MaxValue, short.MinValue, ushort.MaxValue, 1 << 16,
        1 << 20, 1 << 30, int.MaxValue, int.MinValue, int.MaxValue - 1L, uint.MaxValue, 1L << 32, 1L << 40, 1L << 62, long.MaxValue,
            long.MinValue,
    ];

    private static readonly string[] InterestingNumbers =
    [
        "0", "-1", "1", "2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "1e308", "0.5", "NaN",
            "null",
        "\"\"", "[]", "{}", "99999999999999999999", "-0",
    ];

    /// <summary>One to four changes; parts of <paramref name="other"/>, another valid file, may be spliced in.</summary>
    public static byte[] Mutate(Random random, byte[] file, byte[] other, bool keepsLength = false)
    {
        byte[] mutant = [.. file];
        int changes = 1 + (random.Next(2) * random.Next(4));
        for (int i = 0; i < changes; i++)
            mutant = keepsLength ? Overwrite(random, mutant) : Change(random, mutant, other);
        return mutant;
    }

    private static byte[] Change(Random random, byte[] bytes, byte[] other)
    {
        switch (random.Next(14))
        {
            case 0: // cut short
                return bytes[..random.Next(bytes.Length + 1)];
            case 1: // goes on
                byte[] more = new byte[random.Next(64)];
                random.NextBytes(more);
                return [.. bytes, .. more];
            case 2: // a block is missing
                (int from, int to) = Block(random, bytes.Length);
                return [.. bytes[..from], .. bytes[to..]];
            case 3: // a block is there twice
                (from, to) = Block(random, bytes.Length, MaximumGrowth);
                return [.. bytes[..to], .. bytes[from..]];
            case 4: // the end of another
                return [.. bytes[..random.Next(bytes.Length + 1)], .. other[random.Next(other.Length + 1)..]];
            case 5: // a block of another in its place
                (from, to) = Block(random, bytes.Length);
                int start = random.Next(other.Length + 1);
                return [.. bytes[..from], .. other[start..Math.Min(other.Length, start + to - from)], .. bytes[to..]];
            case 6 or 7: // a number in text
                return ReplaceNumber(random, bytes);
            default:
                return Overwrite(random, bytes);
        }
    }

    private static byte[] Overwrite(Random random, byte[] bytes)
    {
        if (bytes.Length == 0)
            return bytes;
        // Headers are short and at the start: half of the changes go there.
        int at = random.Next(2) == 0 ? random.Next(bytes.Length) : random.Next(Math.Min(bytes.Length, 64));
        long value = Interesting[random.Next(Interesting.Length)];
        Span<byte> rest = bytes.AsSpan(at);
        switch (random.Next(10))
        {
            case 0 or 1 or 2:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 3:
                bytes[at] = (byte)random.Next(256);
                break;
            case 4:
                bytes[at] = (byte)value;
                break;
            case 5 when rest.Length >= 2:
                if (random.Next(2) == 0)
                    BinaryPrimitives.WriteInt16LittleEndian(rest, (short)value);
                else
                    BinaryPrimitives.WriteInt16BigEndian(rest, (short)value);
                break;
            case 6 or 7 when rest.Length >= 4:
                if (random.Next(2) == 0)
                    BinaryPrimitives.WriteInt32LittleEndian(rest, (int)value);
                else
                    BinaryPrimitives.WriteInt32BigEndian(rest, (int)value);
                break;
            case 8 when rest.Length >= 8:
                BinaryPrimitives.WriteInt64LittleEndian(rest, value);
                break;
            default:
                rest[..Math.Min(rest.Length, random.Next(16))].Fill((byte)value);
                break;
        }

        return bytes;
    }

    private static byte[] ReplaceNumber(Random random, byte[] bytes)
    {
        int start = random.Next(bytes.Length + 1);
        while (start < bytes.Length && !char.IsAsciiDigit((char)bytes[start]))
            start++;
        int end = start;
        while (end < bytes.Length && char.IsAsciiDigit((char)bytes[end]))
            end++;
        return start == end
            ? bytes
            : [.. bytes[..start], .. Encoding.ASCII.GetBytes(InterestingNumbers[random.Next(InterestingNumbers.Length)]), .. bytes[end..]];
    }

    private static (int From, int To) Block(Random random, int length, int most = int.MaxValue)
    {
        int from = random.Next(length + 1);
        int longest = Math.Min(length - from, most);
        return (from, from + random.Next((random.Next(2) == 0 ? Math.Min(longest, 16) : longest) + 1));
    }
}
