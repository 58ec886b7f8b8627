using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence;

/// <summary>Trains, keeps the networks, and does runs that are not in the results yet, several at a time.</summary>
internal sealed class Laboratory : IDisposable
{
    private readonly string _results;
    private readonly string _models;
    private readonly int _threads;
    private readonly CancellationToken _cancellation;
    private readonly FileStream _lock;
    private readonly DataFolder _data;
    private readonly Dictionary<string, ImageSplit> _splits = [];

    /// <exception cref="IOException">Another process writes to the same results.</exception>
    public Laboratory(string data, string results, string models, bool smoke, int seeds, int threads, string? device,
        CancellationToken cancellation)
    {
        (_results, _models, IsSmoke, Seeds, _threads, Device, _cancellation) =
            (results, models, smoke, seeds, threads, device, cancellation);
        _data = new DataFolder(data);
        Directory.CreateDirectory(results);
        try
        {
            _lock = new FileStream(Path.Combine(results, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1,
                FileOptions.DeleteOnClose);
        }
        catch (IOException e)
        {
            throw new IOException($"Another process writes to '{results}': wait for its end, or name another folder by --results.", e);
        }
    }

    public bool IsSmoke { get; }

    /// <summary>Where to train; null for the first GPU where there is one, else the CPU.</summary>
    public string? Device { get; }

    /// <summary>Which of how many processes this one is, each with results of its own: of all runs it does every so many-th.</summary>
    public (int Number, int Of) Part { get; init; } = (1, 1);

    /// <summary>Stops what is running.</summary>
    public CancellationToken Cancellation => _cancellation;

    /// <summary>Where trained models and what they say are kept.</summary>
    public string ModelsFolder => _models;

    /// <summary>Seeds are 1 to this.</summary>
    public int Seeds { get; }

    /// <summary>The setting at the size that was asked for.</summary>
    public Setting Sized(Setting setting) => IsSmoke ? setting.Smoke : setting;

    public ResultFile Open(string name, IReadOnlyList<string> keys, IReadOnlyList<string> values) =>
        new(Path.Combine(_results, name + ".csv"), keys, values);

    public ImageSplit Images(Setting setting)
    {
        lock (_splits)
            return _splits.TryGetValue(setting.Name, out ImageSplit? split) ? split : _splits[setting.Name] = Sized(setting).Load(_data);
    }

    /// <summary>Does the runs of this part that the file does not have, and adds each as soon as it is done.</summary>
    public void Do(ResultFile file, string what, IEnumerable<Run> runs, bool report = true)
    {
        Run[] missing = [.. runs.Where((run, i) => i % Part.Of == Part.Number - 1 && !file.Contains(run.Key))];
        int done = 0;
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = _threads, CancellationToken = _cancellation };
        Parallel.ForEach(Partition(missing), parallel, run =>
        {
            long start = Stopwatch.GetTimestamp();
            file.Add(run.Key, run.Measure());
            if (report)
                Console.WriteLine(
                    $"{DateTime.Now:HH:mm} {what} {Interlocked.Increment(ref done)}/{missing.Length}: {string.Join(", ", run.Key)} " +
                    $"({Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s)");
        });
    }

    /// <summary>The network that a method trains with a seed; from its file where it has been trained before.</summary>
    /// <param name="setting">Data and network.</param>
    /// <param name="method">How to train.</param>
    /// <param name="seed">The seed of weights and order.</param>
    /// <param name="images">Images in place of the setting's; then <paramref name="variant"/> must tell them apart.</param>
    /// <param name="variant">A part of the file's name.</param>
    /// <param name="checkpointSteps">For trainings of hours: a checkpoint each so many steps, from which the next sitting
    /// continues.</param>
    public SharpnessAwareImageClassificationTransformer Train(
        Setting setting, Method method, int seed, ImageSplit? images = null, string variant = "", int? checkpointSteps = null)
    {
        string path = Path.Combine(_models, setting.Name, $"{method.Name} {method.Minimises.Rho} {variant}{seed}.zip");
        var mlContext = new MLContext(seed);
        if (File.Exists(path))
            return (SharpnessAwareImageClassificationTransformer)((TransformerChain<ITransformer>)mlContext.Model.Load(path, out _))
                .Single();

        images ??= Images(setting);
        Setting sized = Sized(setting);
        IDataView rows = images.Training.ToDataView(mlContext);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        SharpnessAwareImageClassificationTransformer model = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(
            new SharpnessAwareImageClassificationTrainer.Options
            {
                FeatureColumnName = "Image",
                Arch = sized.Architecture,
                Epoch = sized.Epochs,
                BatchSize = sized.BatchSize,
                BaseOptimizer = sized.Base,
                Augmentation = sized.Augmentation,
                Method = method.Minimises,
                Loss = method.Loss,
                ValidationSet = images.Validation.ToDataView(mlContext),
                Seed = seed,
                CheckpointPath = checkpointSteps is null ? null : path + ".checkpoint",
                CheckpointSteps = checkpointSteps,
                Device = Device,
                CancellationToken = _cancellation,
            }).Fit(rows);
        mlContext.Model.SaveAtomically(new TransformerChain<ITransformer>(model), rows.Schema, path);
        return model;
    }

    /// <summary>A network's probabilities of some images, [images × classes].</summary>
    public static float[] Probabilities(SharpnessAwareImageClassificationTransformer model, ImageSet images) =>
        [.. model.Transform(images.ToDataView(new MLContext())).GetColumn<float[]>("Score").SelectMany(row => row)];

    /// <summary>The columns of <see cref="Scores"/> of a network on some images.</summary>
    public static double[] Score(SharpnessAwareImageClassificationTransformer model, ImageSet images)
    {
        var mlContext = new MLContext();
        IDataView rows = images.ToDataView(mlContext);
        using SharpnessAwareImageClassificationTransformer raw = model.WithTemperature(1);
        return Scores.Of(
            mlContext.MulticlassClassification.EvaluateCalibration(raw.Transform(rows)),
            mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(rows)), model.Temperature);
    }

    public void Dispose() => _lock.Dispose();

    // One at a time: runs take very different times, and chunks would leave a thread without work at the end.
    private static System.Collections.Concurrent.OrderablePartitioner<Run> Partition(Run[] runs) =>
        System.Collections.Concurrent.Partitioner.Create(runs, System.Collections.Concurrent.EnumerablePartitionerOptions.NoBuffering);
}
