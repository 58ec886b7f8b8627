using System.CommandLine;
using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

namespace MLSharpness.Cli;

/// <summary>mlsharpness train &lt;folder&gt;</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Folder with one sub-folder of pictures for each class." };
        var output = new Option<string>("--out", "-o") { Description = "The model file to write.", DefaultValueFactory = _ => "model.zip" };
        var method = new Option<string?>("--method", "-m")
        {
            Description = "sgd, sam, ssam, csam or asam (csam, with the radius that suits what is trained).",
        };
        var test = NumberOption.Share("--test", "Share of the images that is kept for the test.", 0.2);
        var restart = new Option<bool>("--restart") { Description = "Begin anew where an interrupted training could continue." };
        var sharding = new Option<DataSharding>("--sharding")
        {
            Description = "With mpirun, which pictures each process decodes and keeps: None (all) or ByRow (its own share, for data " +
                "larger than memory).",
        };
        var training = new TrainingOptions(comparesMethods: false);
        var command = new Command("train", """
            Trains a classifier and measures it on images that it has not seen.

            Where pretrained weights are found the network starts from them, and its head is trained first, which takes seconds; else a
            small network learns from scratch. What was chosen, and why, is said on standard error.

            A training from scratch writes its state to a file beside the model after each epoch, MODEL.checkpoint, which is deleted at the
            end. Ctrl+C saves the best model so far; the same command, given again without --restart, continues where it stopped. A training
            that begins with the head saves nothing until it has finished, so after Ctrl+C it starts again from the beginning.

            Started by mpirun or srun, all processes train one model together: mpirun -n 4 mlsharpness train FOLDER.
            """)
        { folder, output, method, test, restart, sharding };
        training.AddTo(command);
        CommandAction.Set(command, context =>
        {
            MLContext mlContext = context.MLContext;
            using ProcessGroup? group = Processes.Join();
            SharpnessAwareImageClassificationTrainer.Options options = training.Read(context, context.Value(method), group);
            options.Sharding = context.Value(sharding);
            if (group is { Rank: > 0 })
            {
                TrainWithTheFirst(context, group, options, context.Value(folder), context.Value(test));
                return;
            }

            string? weights = training.WeightsFile(context);
            string path = OutputFile.Check(context.Value(output), "--out", "model.zip", weights);
            ModelFile.CheckTemporaryFolder();
            string checkpoint = path + ".checkpoint";
            if (weights is null || options.FineTuning == FineTuning.Full)
                options.CheckpointPath = OutputFile.Check(checkpoint, "The checkpoint", example: null, weights);
            IDataView images = Images.LoadClasses(mlContext, context.Value(folder));
            OutputFile.CheckIsNoPicture(path, "--out", images);
            var split = Images.Split(mlContext, images, context.Value(test));
            ITransformer labels = Images.LabelsToKeys(mlContext).Fit(images);

            int epochsDone = 0;
            var progress = new Progress(context.Messages);
            options.MetricsCallback = epoch =>
            {
                epochsDone = epoch.Epoch;
                progress.Report(epoch);
            };
            if (context.Value(restart))
            {
                using IDisposable own = FileLock.TryTake(checkpoint) ?? throw new IOException("Another training keeps its checkpoint in " +
                    $"'{checkpoint}'. Wait for its end, or give --out another name.");
                Delete(checkpoint);
            }
            else if (options.CheckpointPath is not null && File.Exists(checkpoint))
                context.Say($"Continuing from {checkpoint} (--restart begins anew).");

            if (training.Advice(context) is string advice)
                context.Say(advice);
            foreach (string unused in training.Unused(context, options.FineTuning, areSeveral: group is { Size: > 1 }))
                context.Say(unused);
            if (options.Sharding == DataSharding.ByRow && group is null)
                context.Say($"warning: {sharding.Name} is not used: it is for several processes that mpirun or srun has started.");
            // --restart once more would delete what is to be continued.
            string sameCommand = context.Value(restart) ? $"the same command without {restart.Name}" : "the same command";
            string state = RealPath.ToWrite(checkpoint) ?? checkpoint;
            DateTime written = File.GetLastWriteTimeUtc(state);
            var trainer = mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options);
            using SharpnessAwareImageClassificationTransformer classifier = Fit();
            group?.Dispose();       // the others need not wait for the test
            IDataView scored = classifier.Transform(labels.Transform(context.Stoppable(split.TestSet)));
            bool isSaved = false;
            // The model first, which no picture of the test can spoil; the numbers even where the model could not be saved.
            try
            {
                Save(classifier, scored);
                isSaved = true;
                context.Say($"Saved {context.Value(output)}.");
            }
            finally
            {
                try
                {
                    Measure(classifier, scored);
                }
                catch (OperationCanceledException) when (!isSaved)
                {
                    // What Save has thrown says more.
                }
            }

            if (options.CheckpointPath is not null)
                Delete(checkpoint);

            SharpnessAwareImageClassificationTransformer Fit()
            {
                try
                {
                    if (group is null)
                    {
                        TestPictures.Check(context, split.TestSet);     // with a group the other processes would wait
                        Processes.LimitThreads();
                    }

                    return trainer.Fit(labels.Transform(split.TrainSet));
                }
                catch (Exception exception) when (exception.GetBaseException() is OperationCanceledException)
                {
                    throw new OperationCanceledException(SaveBestSoFar());
                }
            }

            void Measure(SharpnessAwareImageClassificationTransformer classifier, IDataView scored)
            {
                MulticlassCalibrationMetrics metrics;
                try
                {
                    metrics = mlContext.MulticlassClassification.EvaluateCalibration(scored);
                }
                catch (Exception exception) when (exception.GetBaseException() is OperationCanceledException)
                {
                    throw new OperationCanceledException($"Stopped while the model was measured. {WhereItIs()}");
                }
                catch (Exception exception) when (isSaved)
                {
                    throw new InvalidDataException($"{exception.Message} The model was not measured. {WhereItIs()}", exception);
                }

                context.Write(
                    new
                    {
                        model = path, method = $"{classifier.Method}", classifier.Temperature,
                        metrics = MetricsOutput.Json(metrics, context.Seed),
                    },
                    MetricsOutput.Table(metrics, context.Seed));
                context.Say($"Measured on {metrics.Count} images that were not trained on.");
            }

            string WhereItIs() =>
                $"The model is in {context.Value(output)}" + (options.CheckpointPath is null ? "." : $"; {sameCommand} measures it.");

            void Save(SharpnessAwareImageClassificationTransformer classifier, IDataView scored) => ModelFile.Save(
                mlContext,
                labels.Append(classifier).Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored)),
                images.Schema,
                path);

            // What there is to say of a training that was stopped.
            string SaveBestSoFar()
            {
                string model = File.Exists(path) ? $"{context.Value(output)} is unchanged" : "there is no model yet";
                if (options.CheckpointPath is null)
                {
                    bool isHeadAlone = options is { FineTuning: FineTuning.HeadOnly } or { FineTuning: FineTuning.Auto, TimeBudget: null };
                    return $"Stopped: {model}; the same command begins anew." +
                        (isHeadAlone ? "" : " With --fine-tuning HeadOnly the head alone is the model, which takes seconds.");
                }

                // What this training has not written it may not have looked at yet: it may be of other classes, and be refused later.
                if (File.GetLastWriteTimeUtc(state) == written && (File.Exists(state) || File.Exists(state + ".previous")))
                    return $"Stopped before the training began; {model}.";

                SharpnessAwareImageClassificationTransformer best;
                try
                {
                    best = trainer.BestFromCheckpoint();
                }
                catch (Exception exception) when (exception is InvalidOperationException or FileNotFoundException)
                {
                    // The file, where there is one, has the steps so far.
                    return $"Stopped before the first epoch ended: {model}; {sameCommand} " +
                        (exception is InvalidOperationException ? "continues." : "begins anew.");
                }
                catch (InvalidDataException exception)
                {
                    return $"Stopped; {model}. {exception.Message}";
                }

                using (best)
                    Save(best, best.Transform(labels.Transform(split.TestSet)));
                return (epochsDone == 0 ? "Stopped." : $"Stopped after epoch {epochsDone}.") + " The best model so far, of epoch " +
                    $"{best.History.Count}, is in {context.Value(output)}; {sameCommand} continues.";
            }
        }, CommandAction.Seed, tells: true);
        return command;
    }

    /// <summary>What all processes but the first do: their part of the training, in silence.</summary>
    private static void TrainWithTheFirst(CommandContext context, ProcessGroup group,
        SharpnessAwareImageClassificationTrainer.Options options, string folder, double test)
    {
        IDataView images = Images.LoadClasses(context.MLContext, folder);
        var split = Images.Split(context.MLContext, images, test);
        ITransformer labels = Images.LabelsToKeys(context.MLContext).Fit(images);
        context.MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)
            .Fit(labels.Transform(split.TrainSet)).Dispose();
        group.Dispose();
    }

    /// <summary>The checkpoint and the one before it; where there is a link, what it leads to, and the link stays.</summary>
    private static void Delete(string checkpoint)
    {
        string path = RealPath.ToWrite(checkpoint) ?? checkpoint;
        File.Delete(path);
        File.Delete(path + ".previous");
    }
}
