using System.Globalization;
using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What a training's result depends on, as named texts: settings by their content, and hashes of images, starting weights and network. Two
/// runs with the same fingerprint, on the same machine and with the same number of threads, give the same weights.
/// </summary>
internal sealed class RunFingerprint
{
    private const string SettingsOfModules = "settings of the modules", Normalisation = "mean and deviation that normalise the pixels";
    private const int MaximumFields = 10_000, MostLinesShown = 8;
    private const char Approximately = '≈', Line = '\n';
    private const double Tolerance = 0.01;

    private readonly Dictionary<string, string> _fields = [];
    private readonly HashSet<string> _settings = [];

    // Of fields that earlier files do not have: what they are taken to hold.
    private readonly Dictionary<string, string> _inEarlierFiles = [];
    private readonly Dictionary<string, string> _textsOfVersion1;
    private string _normalisationOfVersion1 = "";

    /// <param name="textsOfVersion1">What version 1 would have written, to be compared with its files.</param>
    private RunFingerprint(IEnumerable<(string Name, string Value)> textsOfVersion1) =>
        _textsOfVersion1 = textsOfVersion1.ToDictionary(field => field.Name, field => field.Value);

    /// <summary>The fingerprint of a training that is about to begin, with the network as it starts.</summary>
    public static RunFingerprint Of(SharpnessAwareImageClassificationTrainer.Options options, TrainingImages images,
        ImageClassifier classifier, InitialWeights? initialWeights, int seed)
    {
        string trainingHash = images.Training.ContentHash(), validationHash = images.Validation?.ContentHash() ?? "";
        var fingerprint = new RunFingerprint(Version1Fingerprint.Of(options, images, seed, trainingHash, validationHash));
        fingerprint.AddSettings(options);
        fingerprint.Add(nameof(options.Seed), seed);
        fingerprint.Add(nameof(options.Device), classifier.Device.type);
        fingerprint.Add(nameof(options.InitialWeights), initialWeights?.Content());
        fingerprint.AddNormalisation(options, images.Training, classifier, initialWeights);
        ImageShape shape = images.Training.Shape;
        fingerprint.Add("training images", string.Create(CultureInfo.InvariantCulture,
            $"{images.Training.Count} of {shape.Channels}×{shape.Height}×{shape.Width}, SHA-256 {trainingHash}"));
        fingerprint.Add("validation images", images.Validation is null ? null : string.Create(CultureInfo.InvariantCulture,
            $"{images.Validation.Count}, SHA-256 {validationHash}"));
        if (options.Group is { } group && options.Method.Rho > 0 && !options.SharedAscent)
            fingerprint.Add("number of processes, each with a climb of its own", group.Size);
        if (images.Training.Owners is { } owners)
            fingerprint.Add("number of processes, each with rows of its own", owners.Parts);
        if (!NetworkArchitecture.IsBuiltIn(options.Arch))
        {
            fingerprint.Add("parameters of the network", NetworkContent.Parameters(classifier.Network));
            fingerprint.Add("modules of the network", NetworkContent.Modules(classifier.Network));
            fingerprint.Add(SettingsOfModules, string.Join(Line, NetworkContent.Settings(classifier.Network)));
            fingerprint._inEarlierFiles[SettingsOfModules] = fingerprint._fields[SettingsOfModules];
            fingerprint.Add("outputs of the untrained network", Approximately + NetworkContent.Outputs(classifier, images.Training, seed));
            if (initialWeights is null && (options.FreezeBackbone || options.FreezeEpochs > 0))
                fingerprint.Add("weights of the backbone", NetworkContent.Backbone(classifier));
        }
        return fingerprint;
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

    /// <summary>Checks that all processes of a group are about to do the same, and in the same way.</summary>
    /// <param name="group">The processes.</param>
    /// <param name="others">What else must be the same, by name.</param>
    /// <exception cref="InvalidOperationException">This process is about to do something else than the first.</exception>
    public void CheckSame(ProcessGroup group, params (string Name, object? Value)[] others)
    {
        foreach ((string name, object? value) in others)
            Add(name, value);
        using var memory = new MemoryStream();
        using (var writer = new BinaryWriter(memory, Encoding.UTF8, leaveOpen: true))
            Write(writer);
        memory.SetLength((long)group.SumOf(group.Rank == 0 ? memory.Length : 0).A);
        group.Broadcast(memory.GetBuffer().AsSpan(0, (int)memory.Length));
        memory.Position = 0;
        using var reader = new BinaryReader(memory);
        Dictionary<string, string> first = Read(reader), own = new(_fields);
        foreach ((string name, _) in others)
            _fields.Remove(name);

        string[] differences = [.. first.Keys.Union(own.Keys)
            .Select(name => (Name: name, Here: own.GetValueOrDefault(name, "not there"), There: first.GetValueOrDefault(name, "not there")))
            .Where(field => !AreSame(field.There, field.Here))
            .SelectMany(field => Differences(field.Name, field.There, field.Here))
            .Select(field => $"{field.Name} is {field.Now} here and {field.Then} there")];
        if (differences.Length > 0)
        {
            throw new InvalidOperationException(
                $"Process {group.Rank} is about to train something else than process 0: {string.Join("; ", differences)}. All processes " +
                "of a group need the same data, options, versions and number of threads.");
        }
    }

    /// <exception cref="InvalidDataException">The fingerprint read is another; the message names the fields that differ.</exception>
    public void CheckSame(BinaryReader reader, int version)
    {
        Dictionary<string, string> then = Read(reader), now = version == 1 ? _textsOfVersion1 : _fields;
        Dictionary<string, string> defaults = Defaults();
        List<string> differences = [];
        foreach ((string name, string value) in now)
        {
            if (!then.TryGetValue(name, out string? before) && !_inEarlierFiles.TryGetValue(name, out before))
            {
                if (!IsNewAndNotSet(name))
                    differences.Add($"{name} was not known, now {Shown(value)}");
            }
            else if (!AreSame(before, value) && !(name == SettingsOfModules && IsSumOfEarlierFiles(before)))
            {
                differences.AddRange(Differences(name, before, value)
                    .Select(field => $"{field.Name} was {field.Then}, now {field.Now}"));
            }
        }
        differences.AddRange(then.Keys.Except(now.Keys).Select(name => $"{name} was {Shown(then[name])}, now not known"));
        if (version == 1 && !AreSame(_normalisationOfVersion1, _fields[Normalisation]))
            differences.Add($"{Normalisation} was {_normalisationOfVersion1}, now {_fields[Normalisation]}");
        if (version == 1)
            differences.AddRange(_settings.Where(name => !Version1Fingerprint.Covers(name) && !IsNewAndNotSet(name))
                .Select(name => $"{name} was not known, now {Shown(_fields[name])}"));
        if (differences.Count > 0)
            throw new InvalidDataException(
                $"The checkpoint is of another training: {string.Join("; ", differences)}. Restore these, or choose another " +
                "CheckpointPath to begin anew. Where one trainer is fitted several times (CrossValidate, CrossFitted), leave " +
                "CheckpointPath null: it is of one training.");

        // A setting of a later version than the file: at its default it changes nothing.
        bool IsNewAndNotSet(string name) => _settings.Contains(name) && defaults.GetValueOrDefault(name) == _fields[name];
    }

    /// <summary>Reads past what <see cref="Write"/> wrote.</summary>
    public static void Skip(BinaryReader reader) => Read(reader);

    private static Dictionary<string, string> Defaults()
    {
        var defaults = new RunFingerprint([]);
        defaults.AddSettings(new());
        return defaults._fields;
    }

    // Everything in the options that the weights depend on and that does not show in the images.
    private void AddSettings(SharpnessAwareImageClassificationTrainer.Options options)
    {
        Setting(nameof(options.Method), options.Method);
        Setting(nameof(options.Arch), options.Arch.ToLowerInvariant());
        Setting(nameof(options.BatchSize), options.BatchSize);
        Setting(nameof(options.Epoch), options.Epoch);
        Setting(nameof(options.BaseOptimizer), options.EffectiveBaseOptimizer);
        Setting(nameof(options.Schedule), options.Schedule);
        Setting(nameof(options.Loss), options.Loss);
        Setting(nameof(options.Augmentation), options.Augmentation);
        Setting(nameof(options.Normalization), options.Normalization);
        Setting(nameof(options.MaxGradientNorm), options.MaxGradientNorm);
        Setting(nameof(options.EarlyStoppingCriteria), options.EarlyStoppingCriteria);
        Setting(nameof(options.FreezeBackbone), options.FreezeBackbone);
        Setting(nameof(options.FreezeEpochs), options.FreezeEpochs);
        Setting(nameof(options.FreezeBatchNorm), options.FreezeBatchNorm);
        Setting(nameof(options.SynchronizeBatchNorm), options.SynchronizeBatchNorm);
        Setting(nameof(options.BackboneLearningRateFactor), options.BackboneLearningRateFactor);
        Setting(nameof(options.WeightAveraging), options.WeightAveraging);
        Setting(nameof(options.OnDivergence), options.OnDivergence);

        void Setting(string name, object? value)
        {
            foreach ((string field, string text) in FieldContent.Of(name, value))
            {
                _fields[field] = text;
                _settings.Add(field);
            }
        }
    }

    /// <summary>Earlier files do not tell it. They are of versions that took that of the weights where it was of such pixels, and else
    /// that of the images; the first version did so, too, where the weights tell none.</summary>
    private void AddNormalisation(
        SharpnessAwareImageClassificationTrainer.Options options, ImageDataset images, ImageClassifier classifier, InitialWeights? weights)
    {
        string now = _fields[Normalisation] = Text(classifier.Normalization.Statistics);
        bool isGiven = weights is null || options.Normalization != PixelNormalization.FromData;
        bool isOfWeights = isGiven || weights!.AreOf(images.PixelType, images.Shape);
        bool isOfWeightsInVersion1 = isGiven || (isOfWeights && weights!.TellsStatistics);
        string ofImages = isOfWeights && isOfWeightsInVersion1 ? now : Text(PixelStatistics.FromData(images));
        _inEarlierFiles[Normalisation] = isOfWeights ? now : ofImages;
        _normalisationOfVersion1 = isOfWeightsInVersion1 ? now : ofImages;

        static string Text(PixelStatistics statistics) => Approximately + string.Join(' ',
            statistics.Mean.Concat(statistics.StandardDeviation).Select(value => value.ToString("G6", CultureInfo.InvariantCulture)));
    }

    private void Add(string name, object? value)
    {
        if (value is string text)
            _fields[name] = text;
        else
            _fields[name] = FieldContent.Of(name, value).Single().Value;
    }

    private static bool AreSame(string then, string now)
    {
        if (then.StartsWith(Approximately) && now.StartsWith(Approximately))
        {
            double[] a = Numbers(then), b = Numbers(now);
            double scale = b.Select(Math.Abs).DefaultIfEmpty().Max();
            return a.Length == b.Length
                && a.Zip(b).All(pair => Math.Abs(pair.First - pair.Second) <= Tolerance * scale || pair.First.Equals(pair.Second));
        }
        return then == now;

        static double[] Numbers(string text) => [.. text[1..].Split(' ').Select(number =>
            double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : double.NaN)];
    }

    /// <summary>What to show of a field that differs: of one of many lines ("norm.momentum=0.1") those that do.</summary>
    private static IEnumerable<(string Name, string Then, string Now)> Differences(string name, string then, string now)
    {
        if (name != SettingsOfModules || !then.Contains('=') || !now.Contains('='))
            return [(name, Shown(then), Shown(now))];
        Dictionary<string, string> before = Lines(then), after = Lines(now);
        return [.. before.Keys.Union(after.Keys)
            .Select(line => (Name: $"{name}: {line}", Then: before.GetValueOrDefault(line, "not there"),
                Now: after.GetValueOrDefault(line, "not there")))
            .Where(line => line.Then != line.Now).Take(MostLinesShown)
            .Select(line => (line.Name, Shown(line.Then), Shown(line.Now)))];

        static Dictionary<string, string> Lines(string text)
        {
            var lines = new Dictionary<string, string>();
            foreach (string[] line in text.Split(Line).Select(line => line.Split('=', 2)))
                lines[line[0]] = lines.TryGetValue(line[0], out string? same) ? $"{same}, {line[^1]}" : line[^1];  // of a base class
            return lines;
        }
    }

    /// <summary>"108, SHA-256 …", of which nobody can tell where it differs, and which counted what differs in each run.</summary>
    private static bool IsSumOfEarlierFiles(string text) => !text.Contains(Line) && text.Contains(", SHA-256 ") && !text.Contains('=');

    private static string Shown(string value) => PrintableText.Of(value);

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
