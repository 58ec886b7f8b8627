using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests.Training;

/// <summary>A training that goes on from its checkpoint, and what is new in this run.</summary>
[TestClass]
public sealed class ContinuedTrainingTests
{
    private const string AlwaysDraws = "continued training that always draws";

    private readonly TemporaryFolder _folder = new();
    private readonly MLContext _mlContext = new(seed: 1);

    public ContinuedTrainingTests() => NetworkArchitecture.Register(AlwaysDraws, classes => new AlwaysDrawing(classes));

    private string CheckpointPath => _folder.File("run.ckpt");

    [TestCleanup]
    public void DeleteFolder() => _folder.Dispose();

    [TestMethod]
    public void ASecondTrainingWithTheSameCheckpointIsRefusedAndTheFirstGoesOn()
    {
        IDataView data = Rows();
        SharpnessAwareImageClassificationTrainer.Options first = Options(), second = Options();
        int refused = 0;
        first.MetricsCallback = _ =>
        {
            StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => Trainer(second).Fit(data)).Message,
                $"another training keeps its checkpoint in '{CheckpointPath}'");
            refused++;
        };
        Trainer(first).Fit(data).Dispose();
        Assert.AreEqual(first.Epoch, refused);
        Assert.IsFalse(File.Exists(CheckpointPath + ".lock"));

        second.MetricsCallback = _ => Assert.Fail("the first had ended");
        Trainer(second).Fit(data).Dispose();
    }

    /// <summary>As of a process that was killed, of another user's even; but a folder is none.</summary>
    [TestMethod]
    public void WhatIsLeftOfALockIsNoObstacle()
    {
        string left = CheckpointPath + ".lock";
        File.WriteAllText(left, "");
        File.SetAttributes(left, FileAttributes.ReadOnly);
        Trainer(Options()).Fit(Rows()).Dispose();

        Directory.CreateDirectory(left);
        StringAssert.Contains(Assert.ThrowsExactly<IOException>(() => Trainer(Options()).Fit(Rows())).Message, $"'{left}'");
    }

    [TestMethod]
    public void CheckpointStepsWithoutACheckpointIsRefused()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Options();
        (options.CheckpointPath, options.CheckpointSteps) = (null, 5);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Trainer(options)).Message, "CheckpointPath, where, is null");
    }

    /// <summary>The best model was kept by the first run, and written again by the second.</summary>
    [TestMethod]
    public void TheBestModelHasTheNamesOfTheRunThatWroteTheFile()
    {
        CancelAfter(epochs: 2, Options(), Rows());
        SharpnessAwareImageClassificationTrainer.Options options = Options();
        (options.ScoreColumnName, options.Calibration) = ("Probabilities", ProbabilityCalibration.None);
        using var cancellation = new CancellationTokenSource();
        options.CancellationToken = cancellation.Token;
        AlwaysDrawing.AtTraining(1, cancellation.Cancel);
        IDataView data = Rows(name => $"a {name}");
        SharpnessAwareImageClassificationTrainer trainer = Trainer(options);
        Assert.ThrowsExactly<OperationCanceledException>(() => trainer.Fit(data));

        using SharpnessAwareImageClassificationTransformer best = trainer.BestFromCheckpoint();

        CollectionAssert.AreEqual(Shapes.Names.Select(name => $"a {name}").ToArray(), best.ClassNames.ToArray());
        Assert.IsNotNull(best.GetOutputSchema(data.Schema).GetColumnOrNull("Probabilities"));
        Assert.AreEqual(1, best.Temperature);
        Assert.IsGreaterThan(0, best.History.Count);
    }

    /// <summary>Its dropout does not know of evaluation mode.</summary>
    [TestMethod]
    public void ANetworkThatDrawsInEvaluationModeGoesOnToTheSameWeights()
    {
        IDataView data = Rows();
        float[] undisturbed = Weights(Options(), data);
        File.Delete(CheckpointPath);
        File.Delete(CheckpointPath + ".previous");
        CancelAfter(epochs: 2, Options(), data);
        CollectionAssert.AreEqual(undisturbed, Weights(Options(), data));
    }

    private void CancelAfter(int epochs, SharpnessAwareImageClassificationTrainer.Options options, IDataView data)
    {
        using var cancellation = new CancellationTokenSource();
        options.CancellationToken = cancellation.Token;
        options.MetricsCallback = epoch =>
        {
            if (epoch.Epoch == epochs)
                cancellation.Cancel();
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Trainer(options).Fit(data));
    }

    private IDataView Rows(Func<string, string>? name = null)
    {
        List<PixelRow> rows = Shapes.Pixels(60);
        foreach (PixelRow row in rows)
            row.Label = name?.Invoke(row.Label) ?? row.Label;
        return Fitted.View(_mlContext, rows);
    }

    private SharpnessAwareImageClassificationTrainer.Options Options()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        (options.Arch, options.BatchSize, options.Epoch, options.CheckpointPath) = (AlwaysDraws, 8, 4, CheckpointPath);
        return options;
    }

    private float[] Weights(SharpnessAwareImageClassificationTrainer.Options options, IDataView data)
    {
        using SharpnessAwareImageClassificationTransformer model = Trainer(options).Fit(data);
        return [.. model.Classifier.Network.parameters().SelectMany(tensor => tensor.data<float>().ToArray())];
    }

    private SharpnessAwareImageClassificationTrainer Trainer(SharpnessAwareImageClassificationTrainer.Options options) =>
        _mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);

    private sealed class AlwaysDrawing : nn.Module<Tensor, Tensor>
    {
        private static int _callsLeft;
        private static Action? _action;

        private readonly Linear _head;

        public AlwaysDrawing(int numberOfClasses)
            : base(nameof(AlwaysDrawing))
        {
            _head = nn.Linear(Shapes.Size * Shapes.Size, numberOfClasses);
            RegisterComponents();
        }

        /// <summary>Does something in a pass of a training step.</summary>
        public static void AtTraining(int number, Action action) => (_callsLeft, _action) = (number, action);

        public override Tensor forward(Tensor input)
        {
            if (training && --_callsLeft == 0)
                _action?.Invoke();
            return _head.call(nn.functional.dropout(input.flatten(1), 0.2));
        }
    }
}
