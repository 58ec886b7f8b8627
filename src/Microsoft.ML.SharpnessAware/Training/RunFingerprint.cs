using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What a training's result depends on, as named texts: settings and a hash of the data. Two runs with the same fingerprint, on the same
/// machine and with the same number of threads, give the same weights.
/// </summary>
internal sealed class RunFingerprint
{
    private const int MaximumFields = 1000;

    private readonly List<(string Name, string Value)> _fields = [];

    /// <summary>Adds a field; doubles and the like are written in invariant culture whatever the thread's culture is.</summary>
    public RunFingerprint Add(string name, object? value)
    {
        CultureInfo culture = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;      // for the doubles inside records
            _fields.Add((name, value?.ToString() ?? "none"));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }

        return this;
    }

    public void Write(BinaryWriter writer)
    {
        writer.Write(_fields.Count);
        foreach ((string name, string value) in _fields)
        {
            writer.Write(name);
            writer.Write(value);
        }
    }

    /// <exception cref="InvalidDataException">The fingerprint read is another; the message names the fields that differ.</exception>
    public void CheckSame(BinaryReader reader)
    {
        Dictionary<string, string> then = Read(reader);
        string[] differences =
        [
            .. _fields.Where(field => then.GetValueOrDefault(field.Name) != field.Value)
                .Select(field => $"{field.Name} was {then.GetValueOrDefault(field.Name, "not known")}, now {field.Value}"),
            .. then.Keys.Except(_fields.Select(field => field.Name)).Select(name => $"{name} was {then[name]}, now not known"),
        ];
        if (differences.Length > 0)
            throw new InvalidDataException(
                $"The checkpoint is of another training: {string.Join("; ", differences)}. Restore these, or choose another CheckpointPath to begin anew.");
    }

    /// <summary>Reads past what <see cref="Write"/> wrote.</summary>
    public static void Skip(BinaryReader reader) => Read(reader);

    private static Dictionary<string, string> Read(BinaryReader reader)
    {
        int count = reader.ReadInt32();
        if (count is < 0 or > MaximumFields)
            throw new InvalidDataException($"The checkpoint is damaged: it has {count} fields.");
        var fields = new Dictionary<string, string>();
        for (int i = 0; i < count; i++)
            fields[reader.ReadString()] = reader.ReadString();
        return fields;
    }
}
