using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

public sealed partial class SharpnessAwareImageClassificationTrainer
{
    /// <summary>
    /// Settings of the trainer. Names are those of ML.NET's ImageClassification trainer where the thing is the same.
    /// </summary>
    public sealed class Options
    {
        /// <summary>Label column: a key. Default "Label".</summary>
        public string LabelColumnName { get; set; } = DefaultColumnNames.Label;

        /// <summary>
        /// Feature column, one image a row: encoded bytes (variable-size <see cref="byte"/> vector), <see cref="MLImage"/>, or a
        /// fixed-size vector of <see cref="byte"/> or <see cref="float"/> pixels. Default "Features".
        /// </summary>
        public string FeatureColumnName { get; set; } = DefaultColumnNames.Features;

        /// <summary>Output column of calibrated class probabilities. Default "Score".</summary>
        public string ScoreColumnName { get; set; } = DefaultColumnNames.Score;

        /// <summary>Output column of the most probable class, a key. Default "PredictedLabel".</summary>
        public string PredictedLabelColumnName { get; set; } = DefaultColumnNames.PredictedLabel;

        /// <summary>
        /// What to minimise. Default <see cref="SharpnessAwareMethod.Csam"/>: at the cost of SAM, and at the same accuracy, its probabilities had the lowest
        /// log loss before and after temperature scaling where networks fit their training images (README, 30 epochs).
        /// <see cref="SharpnessAwareMethod.Standard"/> takes half the time.
        /// </summary>
        public SharpnessAwareMethod Method { get; set; } = SharpnessAwareMethod.Csam();

        /// <summary>
        /// The network: a constant of <see cref="NetworkArchitecture"/>, or a name registered with
        /// <see cref="NetworkArchitecture.Register"/>. Default <see cref="NetworkArchitecture.ResNet20"/>, which trains from scratch on a
        /// CPU in minutes for images of 28 to 64 pixels a side.
        /// </summary>
        public string Arch { get; set; } = NetworkArchitecture.ResNet20;

        /// <summary>Width that images are brought to, in pixels. Default: that of the data where it is fixed, else 64.</summary>
        public int? ImageWidth { get; set; }

        /// <summary>Height that images are brought to, in pixels. Default: that of the data where it is fixed, else 64.</summary>
        public int? ImageHeight { get; set; }

        /// <summary>
        /// Channels that images are brought to, 1 (grey) or 3 (red, green, blue). Default: those of the first image; an image of
        /// another number is then an error, so that a mixture is noticed. Set it to convert instead.
        /// </summary>
        public int? ImageChannels { get; set; }

        /// <summary>
        /// How images of another proportion are brought to that size, in training and, since it is saved in the model, in scoring. Default
        /// <see cref="ResizeMode.Stretch"/>: nothing is lost. Pixel vectors are never resized.
        /// </summary>
        public ResizeMode ResizeMode { get; set; } = ResizeMode.Stretch;

        /// <summary>
        /// What to do about images that cannot be used, in the training and the validation data. Default
        /// <see cref="OnBadImage.Error"/>, which names all of them: a training set with holes is for the user to decide on. A file
        /// that cannot be opened at all is an error always, and so is a bad image in scoring.
        /// </summary>
        public OnBadImage OnBadImage { get; set; } = OnBadImage.Error;

        /// <summary>
        /// Largest number of images in a mini-batch; an epoch's batches are made equal in size. Default 64: small enough for many steps
        /// on a data set of a few hundred images, large enough to keep two cores busy.
        /// </summary>
        public int BatchSize { get; set; } = 64;

        /// <summary>Passes over the training images. Default 30.</summary>
        public int Epoch { get; set; } = 30;

        /// <summary>
        /// The optimiser that takes the sharpness-aware gradient. Default SGD with learning rate 0.05 (0.1 for batches of 128, halved
        /// with the batch), momentum 0.9 and weight decay 5e-4: what the methods' papers use on images of this size.
        /// </summary>
        public BaseOptimizer BaseOptimizer { get; set; } = new BaseOptimizer.Sgd(LearningRate: 0.05);

        /// <summary>Peak learning rate; replaces that of <see cref="BaseOptimizer"/>. Default: that of <see cref="BaseOptimizer"/>.</summary>
        public double? LearningRate { get; set; }

        /// <summary>How the learning rate changes along the training. Default: cosine to zero with linear warm-up over the first 5 %.</summary>
        public LearningRateSchedule Schedule { get; set; } = new LearningRateSchedule.Cosine();

        /// <summary>
        /// The loss of both passes; CSAM damps it in the second. Default: cross entropy, a proper scoring rule.
        /// </summary>
        public ClassificationLoss Loss { get; set; } = new ClassificationLoss.CrossEntropy();

        /// <summary>Random changes of the training images. Default: none, since what leaves a class unchanged depends on the data.</summary>
        public Augmentation Augmentation { get; set; } = Augmentation.None;

        /// <summary>
        /// What the network's input is normalised with. Default <see cref="PixelNormalization.FromData"/>: each channel gets mean 0 and
        /// deviation 1 over the training images. For published weights take what they were trained with, such as
        /// <see cref="PixelNormalization.ImageNet"/>. It is saved in the model.
        /// </summary>
        public PixelNormalization Normalization { get; set; } = PixelNormalization.FromData;

        /// <summary>Gradients with a larger norm are shortened to it before the update. Default: no limit.</summary>
        public double? MaxGradientNorm { get; set; }

        /// <summary>Images to validate on. Default: <see cref="ValidationSetFraction"/> of the training images.</summary>
        public IDataView? ValidationSet { get; set; }

        /// <summary>
        /// Share of the training images that is set aside for validation, drawn with the same share of each class.
        /// Ignored with a <see cref="ValidationSet"/>. Default 0.1; null or 0 for none.
        /// </summary>
        public double? ValidationSetFraction { get; set; } = 0.1;

        /// <summary>
        /// Stops before the last epoch and restores the best epoch's weights. Default null: with a learning rate that anneals to zero the last
        /// epochs are the best ones, and stopping early would cut the annealing off.
        /// </summary>
        public EarlyStopping? EarlyStoppingCriteria { get; set; }

        /// <summary>
        /// How the probabilities are calibrated on the validation images after training. Default
        /// <see cref="ProbabilityCalibration.Temperature"/>: one number, fitted in milliseconds, that never changes a prediction.
        /// </summary>
        public ProbabilityCalibration Calibration { get; set; } = ProbabilityCalibration.Temperature;

        /// <summary>Called after each epoch, on the training thread.</summary>
        public Action<EpochMetrics>? MetricsCallback { get; set; }

        /// <summary>"cpu", "cuda" or "cuda:N". Default null: a GPU where the application brought a CUDA backend, else the CPU.</summary>
        public string? Device { get; set; }

        /// <summary>
        /// Seed of weights, split, order and augmentation. Default: the seed of the MLContext, or a fresh one (which is logged). On a CPU, the same seed
        /// and number of threads give bit-identical weights.
        /// </summary>
        public int? Seed { get; set; }

        /// <summary>Stops the training within one step; <c>Fit</c> then throws <see cref="OperationCanceledException"/>.</summary>
        public CancellationToken CancellationToken { get; set; }

        internal BaseOptimizer EffectiveBaseOptimizer =>
            LearningRate is double rate ? BaseOptimizer with { LearningRate = rate } : BaseOptimizer;

        internal ImageRequest ImageRequest => new(ImageWidth, ImageHeight, ImageChannels) { ResizeMode = ResizeMode };

        internal Options Clone() => (Options)MemberwiseClone();

        internal void Check()
        {
            foreach ((string name, string value) in new[]
                     {
                         (nameof(LabelColumnName), LabelColumnName), (nameof(FeatureColumnName), FeatureColumnName),
                         (nameof(ScoreColumnName), ScoreColumnName), (nameof(PredictedLabelColumnName), PredictedLabelColumnName),
                         (nameof(Arch), Arch),
                     })
                ArgumentException.ThrowIfNullOrWhiteSpace(value, name);
            ArgumentNullException.ThrowIfNull(Method);
            ArgumentNullException.ThrowIfNull(BaseOptimizer);
            ArgumentNullException.ThrowIfNull(Schedule);
            ArgumentNullException.ThrowIfNull(Loss);
            ArgumentNullException.ThrowIfNull(Augmentation);
            ArgumentNullException.ThrowIfNull(Normalization);

            AtLeastOne(BatchSize, nameof(BatchSize));
            AtLeastOne(Epoch, nameof(Epoch));
            AtLeastOne(ImageWidth, nameof(ImageWidth));
            AtLeastOne(ImageHeight, nameof(ImageHeight));
            if (ImageChannels is not (null or 1 or 3 or 4))
                throw new ArgumentOutOfRangeException(nameof(ImageChannels), ImageChannels, "ImageChannels must be 1 or 3, or 4 for pixel vectors.");
            if (!Enum.IsDefined(ResizeMode))
                throw new ArgumentOutOfRangeException(nameof(ResizeMode), ResizeMode, "ResizeMode must be Stretch, Crop or Pad.");
            if (!Enum.IsDefined(OnBadImage))
                throw new ArgumentOutOfRangeException(nameof(OnBadImage), OnBadImage, "OnBadImage must be Error or Skip.");
            if (ValidationSetFraction is not (null or >= 0 and < 1))
                throw new ArgumentOutOfRangeException(nameof(ValidationSetFraction), ValidationSetFraction, "ValidationSetFraction must be in [0, 1).");
            if (LearningRate is not (null or > 0 and < double.PositiveInfinity))
                throw new ArgumentOutOfRangeException(nameof(LearningRate), LearningRate, "LearningRate must be positive and finite.");
            if (MaxGradientNorm is not (null or > 0))
                throw new ArgumentOutOfRangeException(nameof(MaxGradientNorm), MaxGradientNorm, "MaxGradientNorm must be positive.");
            ComputeDevice.CheckName(Device);
        }

        private static void AtLeastOne(int? value, string name)
        {
            if (value < 1)
                throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 1.");
        }
    }
}
