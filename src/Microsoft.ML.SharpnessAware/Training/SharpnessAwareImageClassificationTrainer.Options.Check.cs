namespace Microsoft.ML.SharpnessAware;

public sealed partial class SharpnessAwareImageClassificationTrainer
{
    // What can be told of settings by themselves, before there is data.
    public sealed partial class Options
    {
        internal void Check()
        {
            foreach ((string name, string value) in new[]
                     {
                         (nameof(LabelColumnName), LabelColumnName), (nameof(FeatureColumnName), FeatureColumnName),
                         (nameof(ScoreColumnName), ScoreColumnName), (nameof(PredictedLabelColumnName), PredictedLabelColumnName),
                         (nameof(Arch), Arch),
                     })
                ArgumentException.ThrowIfNullOrWhiteSpace(value, name);
            ArgumentNullException.ThrowIfNull(Schedule);
            ArgumentNullException.ThrowIfNull(Loss);
            ArgumentNullException.ThrowIfNull(Normalization);

            AtLeastOne(BatchSize, nameof(BatchSize));
            AtLeastOne(Epoch, nameof(Epoch));
            AtLeastOne(CheckpointSteps, nameof(CheckpointSteps));
            if (CheckpointSteps is not null && CheckpointPath is null)
                throw new ArgumentException("CheckpointSteps says how often a checkpoint is written, and CheckpointPath, where, is null.");
            if (CheckpointPath is not null)
                ArgumentException.ThrowIfNullOrWhiteSpace(CheckpointPath);
            if (WorkspacePath is not null)
                ArgumentException.ThrowIfNullOrWhiteSpace(WorkspacePath);
            AtLeastOne(ImageWidth, nameof(ImageWidth));
            AtLeastOne(ImageHeight, nameof(ImageHeight));
            if (ImageChannels is not (null or 1 or 3 or 4))
                throw new ArgumentOutOfRangeException(nameof(ImageChannels), ImageChannels,
                    "ImageChannels must be 1 or 3, or 4 for pixel vectors.");
            if (!Enum.IsDefined(Resizing))
                throw new ArgumentOutOfRangeException(nameof(Resizing), Resizing, "Resizing must be Fill, IsoCrop or IsoPad.");
            if (!Enum.IsDefined(OnBadImage))
                throw new ArgumentOutOfRangeException(nameof(OnBadImage), OnBadImage, "OnBadImage must be Error or Skip.");
            if (ScoreColumnName == PredictedLabelColumnName)
                throw new ArgumentException(
                    $"ScoreColumnName and PredictedLabelColumnName are both '{ScoreColumnName}', so that one would hide the other.",
                    nameof(ScoreColumnName));
            if (!Enum.IsDefined(Calibration))
                throw new ArgumentOutOfRangeException(nameof(Calibration), Calibration, "There is no such calibration.");
            if (!Enum.IsDefined(OnDivergence))
                throw new ArgumentOutOfRangeException(nameof(OnDivergence), OnDivergence, "OnDivergence must be Stop or RestoreAndHalve.");
            if (!Enum.IsDefined(Sharding))
                throw new ArgumentOutOfRangeException(nameof(Sharding), Sharding, "Sharding must be None or ByRow.");
            if (ValidationSetFraction is not (null or >= 0 and < 1))
                throw new ArgumentOutOfRangeException(nameof(ValidationSetFraction), ValidationSetFraction,
                    "ValidationSetFraction must be in [0, 1).");
            PositiveFloat(LearningRate, nameof(LearningRate));
            PositiveFloat(MaxGradientNorm, nameof(MaxGradientNorm));
            CheckTransfer();
            ComputeDevice.CheckName(Device);
        }

        private void CheckTransfer()
        {
            if (InitialWeights is not null)
                ArgumentException.ThrowIfNullOrWhiteSpace(InitialWeights);
            if (FreezeEpochs < 0 || FreezeEpochs >= Epoch)
                throw new ArgumentOutOfRangeException(nameof(FreezeEpochs), FreezeEpochs,
                    $"FreezeEpochs must be at least 0 and less than Epoch ({Epoch}). To train the head alone all the time, set " +
                        "FreezeBackbone.");
            Require.PositiveFloat(BackboneLearningRateFactor, nameof(BackboneLearningRateFactor),
                " To leave the backbone as it is, set FreezeBackbone.");
            if (FreezeBackbone && (FreezeEpochs > 0 || BackboneLearningRateFactor != 1))
                throw new ArgumentException(
                    "With FreezeBackbone the backbone never learns, so FreezeEpochs must be 0 and BackboneLearningRateFactor 1.",
                    nameof(FreezeBackbone));
            if (!Enum.IsDefined(FineTuning))
                throw new ArgumentOutOfRangeException(nameof(FineTuning), FineTuning, "FineTuning must be Auto, HeadOnly, Gentle or Full.");
            if (TimeBudget is TimeSpan budget && budget <= TimeSpan.Zero)
                throw new ArgumentOutOfRangeException(nameof(TimeBudget), TimeBudget,
                    "TimeBudget must be positive. To train the head alone, set it to null, or FineTuning to HeadOnly.");
            if (FineTuning is FineTuning.HeadOnly or FineTuning.Gentle && TreatsBackboneDifferently)
                throw new ArgumentException(
                    $"FineTuning is {FineTuning}, and FreezeBackbone, FreezeEpochs or BackboneLearningRateFactor say otherwise. Set one " +
                        "or the other.",
                    nameof(FineTuning));
            if (TreatsBackboneDifferently && !HasWeights && NetworkArchitecture.IsBuiltIn(Arch))
                throw new ArgumentException(
                    "FreezeBackbone, FreezeEpochs and BackboneLearningRateFactor need InitialWeights: without them the backbone of " +
                        $"'{Arch}' " +
                    "has random weights, which have to learn as the head does.",
                    nameof(InitialWeights));
        }

        private static void PositiveFloat(double? given, string name)
        {
            if (given is double value)
                Require.PositiveFloat(value, name);
        }

        private bool HasWeights => InitialWeights is null or PretrainedWeights.Auto
            ? PretrainedWeights.Find(Arch, PretrainedFolder) is not null
            : InitialWeights != PretrainedWeights.None;

        private static void AtLeastOne(int? value, string name)
        {
            if (value < 1)
                throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 1.");
        }
    }
}
