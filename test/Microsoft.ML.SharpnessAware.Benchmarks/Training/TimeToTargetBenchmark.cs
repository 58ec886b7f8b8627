using System.Diagnostics;
using System.Globalization;
using TorchSharp;

namespace Microsoft.ML.SharpnessAware.Benchmarks;

/// <summary>
/// Seconds until a network has an accuracy and a log loss on images that nobody has looked at. Each way of training gets longer and longer
/// schedules; what counts is the shortest whose networks have both, on the mean over seeds, with and without a temperature.
/// </summary>
internal static class TimeToTargetBenchmark
{
    public const double DefaultAccuracy = 0.83, DefaultLogLoss = 0.50;

    private const int Training = 2_000, Validation = 1_000, BatchSize = 128;
    private const int DefaultSeeds = 3;
    private const double LearningRate = 0.1, Rho = 0.1;

    private static readonly int[] Schedules = [8, 16, 32];

    private static readonly SharpnessAwareMethod Cheap = SharpnessAwareMethod.Sam(Rho) with { LatePhase = 0.25, AscentShare = 0.25 };

    private static readonly Dictionary<string, (string Name, SharpnessAwareMethod Method)> Ours = new()
    {
        ["sgd"] = ("SGD", SharpnessAwareMethod.Standard),
        ["sam"] = ("SAM", SharpnessAwareMethod.Sam(Rho)),
        ["csam"] = ("CSAM", SharpnessAwareMethod.Csam(Rho)),
        ["late"] = ("SAM, LatePhase .25", SharpnessAwareMethod.Sam(Rho) with { LatePhase = 0.25 }),
        ["share"] = ("SAM, AscentShare .25", SharpnessAwareMethod.Sam(Rho) with { AscentShare = 0.25 }),
        ["period"] = ("SAM, Period 5", SharpnessAwareMethod.Sam(Rho) with { Period = 5 }),
        ["late-share"] = ("SAM, LatePhase .25, AscentShare .25", Cheap),
    };

    private static readonly Dictionary<string, (string Name, string Method)> PyTorchs = new()
    {
        ["pytorch-sgd"] = ("PyTorch's SGD", "sgd"), ["pytorch-sam"] = ("SAM in PyTorch", "sam"),
    };

    /// <param name="arguments">An accuracy, a log loss, a number of seeds, and which ways (all); each may be left out.</param>
    public static void Run(string[] arguments)
    {
        double[] targets = [.. arguments
            .Select(text => double.TryParse(text, CultureInfo.InvariantCulture, out double number) ? number : -1)
            .Where(number => number >= 0)];
        (double accuracy, double logLoss) = targets is [double a, double l, ..] ? (a, l) : (DefaultAccuracy, DefaultLogLoss);
        int seeds = targets is [_, _, double n] ? (int)n : DefaultSeeds;
        string[] ways = [.. arguments.Where(argument => Ours.ContainsKey(argument) || PyTorchs.ContainsKey(argument))];
        if (ways.Length == 0)
            ways = [.. Ours.Keys, .. PyTorchs.Keys];
        AllocatorTuning.KeepFreedMemory();
        Console.WriteLine($"Targets, on 2,000 held-out images: accuracy {accuracy:P1} and log loss {logLoss:F2}. {Training:N0} images, " +
            $"ResNet-8, schedules of {string.Join(", ", Schedules)} epochs, {seeds} seeds, {torch.get_num_threads()} threads.");
        MLContext mlContext = new(seed: 1);
        (IDataView training, IDataView validation, IDataView test) = FashionImages.Load(mlContext, Training, Validation);
        Train(mlContext, training, validation, test, SharpnessAwareMethod.Sam(Rho), epochs: 1, seed: 1);     // warms up

        Table table = new("Way of training", "As trained, s", "Epochs", "With a temperature, s", "Epochs", "Accuracy", "Log loss",
            "With a temperature");
        foreach (string way in ways)
        {
            if (Ours.TryGetValue(way, out var ours))
            {
                Search(table, ours.Name, (epochs, seed) => Train(mlContext, training, validation, test, ours.Method, epochs, seed));
            }
            else
            {
                (string name, string method) = PyTorchs[way];
                try
                {
                    Search(table, name, (epochs, seed) => PyTorch(method, epochs, seed));
                }
                catch (InvalidOperationException e)
                {
                    Console.WriteLine($"Skipped, {name}: {e.Message}");
                }
            }
        }

        void Search(Table into, string name, Func<int, int, Outcome> train)
        {
            (Outcome Outcome, int Epochs)? raw = null, scaled = null;
            Outcome last = default;
            Outcome[] each = [];
            foreach (int epochs in Schedules)
            {
                each = [.. Enumerable.Range(1, seeds).Select(seed => train(epochs, seed))];
                last = Outcome.Mean(each);
                bool accurate = last.Accuracy >= accuracy;
                if (accurate && last.LogLoss <= logLoss)
                    raw ??= (last, epochs);
                if (accurate && last.ScaledLogLoss <= logLoss)
                    scaled ??= (last, epochs);
                if (raw is not null && scaled is not null)
                    break;
            }
            into.Add(name, Seconds(raw), Epochs(raw), Seconds(scaled), Epochs(scaled),
                $"{last.Accuracy:P1} ({each.Min(o => o.Accuracy):P1} to {each.Max(o => o.Accuracy):P1})", $"{last.LogLoss:F3}",
                $"{last.ScaledLogLoss:F3}");

            static string Seconds((Outcome Outcome, int)? reached) => reached is { } r ? $"{r.Outcome.Seconds:F1}" : "never";
            static string Epochs((Outcome, int Epochs)? reached) => reached is { } r ? $"{r.Epochs}" : "–";
        }
    }

    private static Outcome Train(MLContext mlContext, IDataView training, IDataView validation, IDataView test,
        SharpnessAwareMethod method, int epochs, int seed)
    {
        long start = Stopwatch.GetTimestamp();
        using SharpnessAwareImageClassificationTransformer model = mlContext.MulticlassClassification.Trainers
            .SharpnessAwareImageClassification(new SharpnessAwareImageClassificationTrainer.Options
            {
                FeatureColumnName = "Image", Arch = NetworkArchitecture.ResNet8, Method = method, BatchSize = BatchSize, Epoch = epochs,
                BaseOptimizer = new BaseOptimizer.Sgd(LearningRate), Augmentation = Augmentation.None, ValidationSet = validation,
                Seed = seed,
            }).Fit(training);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        MulticlassCalibrationMetrics scaled = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(test));
        using SharpnessAwareImageClassificationTransformer plain = model.WithTemperature(1);
        double logLoss = mlContext.MulticlassClassification.EvaluateCalibration(plain.Transform(test)).LogLoss;
        return new(seconds, scaled.Accuracy, logLoss, scaled.LogLoss);
    }

    private static Outcome PyTorch(string method, int epochs, int seed)
    {
        (string output, string problem) = PyTorchPeer.Run("pytorch_train.py", [method, FashionImages.Folder, epochs, Training, Validation,
            torch.get_num_threads(), seed]);
        return output.Split(' ') is [_, var seconds, var accuracy, var logLoss, var scaled]
            ? new(Number(seconds), Number(accuracy), Number(logLoss), Number(scaled))
            : throw new InvalidOperationException(problem);

        static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
    }

    private readonly record struct Outcome(double Seconds, double Accuracy, double LogLoss, double ScaledLogLoss)
    {
        public static Outcome Mean(Outcome[] each) => new(each.Average(outcome => outcome.Seconds),
            each.Average(outcome => outcome.Accuracy), each.Average(outcome => outcome.LogLoss),
            each.Average(outcome => outcome.ScaledLogLoss));
    }
}
