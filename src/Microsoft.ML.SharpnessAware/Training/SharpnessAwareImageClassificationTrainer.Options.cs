using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

public sealed partial class SharpnessAwareImageClassificationTrainer
{
    /// <summary>
    /// Settings of the trainer. Names are those of ML.NET's ImageClassification trainer where the thing is the same.
    /// </summary>
    public sealed partial class Options
    {
        /// <summary>Label column: a key. Default "Label".</summary>
        public string LabelColumnName { get; set; } = DefaultColumnNames.Label;

        /// <summary>
        /// Feature column, one image a row: encoded bytes (variable-size <see cref="byte"/> vector), <see cref="MLImage"/>, or a
        /// fixed-size vector of <see cref="byte"/> or <see cref="float"/> pixels. Default "Features".
        /// </summary>
        /// <remarks><para>A vector of one dimension is taken plane by plane: all red, then green, then blue. Declare values that lie pixel
        /// by pixel with their dimensions, for example <c>[VectorType(32, 32, 3)]</c> (height, width, channels). Features of a network are
        /// no pixels: they are for other trainers.</para>
        /// <para>Encoded bytes are png, jpg, gif, bmp, webp or ico. A file that declares more than 100 million pixels, or a side of more
        /// than 65,535, is an error that names the row, before memory is taken for it. They are rotated according to their EXIF data and
        /// refused where they are cut off or damaged; an MLImage of ML.NET's <c>LoadImages</c> is neither, one of
        /// <c>Transforms.DecodeImages</c> is both.</para></remarks>
        public string FeatureColumnName { get; set; } = DefaultColumnNames.Features;

        /// <summary>Output column of calibrated class probabilities. Default "Score".</summary>
        public string ScoreColumnName { get; set; } = DefaultColumnNames.Score;

        /// <summary>Output column of the most probable class, a key. Default "PredictedLabel".</summary>
        public string PredictedLabelColumnName { get; set; } = DefaultColumnNames.PredictedLabel;

        /// <summary>
        /// What to minimise. Default <see cref="SharpnessAwareMethod.Csam"/> with ρ = 0.05: at the cost of SAM it is the best calibrated of
        /// SAM, SSAM and CSAM before any temperature where a convolutional network learns its images by heart; in a short training, on easy
        /// images and in a vision transformer it is not. Which of the three has the lowest log loss changes from one set of images to
        /// another; <see cref="SharpnessAwareMethod.Standard"/> takes half the time (docs/evidence.md, "What to choose").
        /// For a pretrained network the default has γ = 1, too, and ρ = 0.01 (0.05 with <see cref="FineTuning.Full"/>); a method of your
        /// own is taken as it is, and the log warns of a radius that is too large for it. With <see cref="FreezeBackbone"/>, <see
        /// cref="FreezeEpochs"/> or <see cref="BackboneLearningRateFactor"/> the default is that of a training from scratch, without a
        /// warning.
        /// </summary>
        /// <remarks>Where it is not set, it reads as the default from scratch: <c>options.Method with { … }</c> has ρ = 0.05 for a
        /// pretrained network, too.</remarks>
        public SharpnessAwareMethod Method
        {
            get => GivenMethod ?? SharpnessAwareMethod.Csam();
            set => GivenMethod = value ?? throw new ArgumentNullException(nameof(value));
        }

        /// <summary>
        /// The network: a constant of <see cref="NetworkArchitecture"/>, or a name registered with NetworkArchitecture.Register. Default
        /// <see cref="NetworkArchitecture.Auto"/>: a pretrained one where its weights are available, since a few hundred pictures do not
        /// teach a network to see; else a small one from scratch. The log says which, and why.
        /// </summary>
        public string Arch { get; set; } = NetworkArchitecture.Auto;

        /// <summary>
        /// Weights to start from: the path of a safetensors file, of the ONNX file in package Microsoft.ML.DnnImageFeaturizer.ResNet18, or
        /// of the ML.NET model file (zip) of an earlier model of this trainer; <see cref="PretrainedWeights.Auto"/>, which is the default
        /// (null is the same), uses the weights that a package has put beside the application; <see cref="PretrainedWeights.None"/> starts
        /// from random ones. With <see cref="Arch"/> Auto the network is that of the file; otherwise the file must be of that network.
        /// </summary>
        /// <remarks>
        /// <para>Names and shapes must be the network's; what is missing, extra or of another shape is an error that lists it all.
        /// torchvision's files fit <see cref="NetworkArchitecture.ResNet18"/>, 34 and 50 at any image size; timm's vit_tiny_patch16_224 and
        /// vit_small_patch16_224 fit <see cref="NetworkArchitecture.VitTiny"/> and <see cref="NetworkArchitecture.VitSmall"/> where both
        /// sides of the images are at least 112 pixels, positions being resized where they are not 224. A head of other classes, or of
        /// another number of them, is left out; the rows of one for the same classes go with their names, whatever the order, where the
        /// file tells them (an ML.NET model file and SaveWeights do) and the label's key has names. The first convolution of a network for
        /// colour is summed over its channels for grey images. All this is logged. PyTorch's own files (.pth) are not read, because opening
        /// one can run code: save its state_dict as safetensors.</para>
        /// <para>Pixels are normalised by the statistics that the weights were trained with, where the file tells them (an ML.NET model
        /// file, <see cref="SharpnessAwareImageClassificationTransformer.SaveWeights"/> and the package's ONNX file do); by what is usual
        /// where the file has torchvision's or timm's names, which the log says; otherwise by those of the training images. They are
        /// converted to the data: averaged over the channels for grey images, and between bytes and floats in [0, 1] or [0, 255]. Floats
        /// in other units are an error where the file tells that the weights were trained on bytes; where it tells nothing, those of the
        /// training images normalise them, with a warning. Bytes are an error where the weights were trained on floats of which nothing
        /// tells what is white, such as those with mean 0 and deviation 1: set <see cref="Normalization"/> then.</para>
        /// </remarks>
        public string? InitialWeights { get; set; }

        /// <summary>
        /// Which part of the network is trained when it starts from weights. Default <see cref="FineTuning.Auto"/>. Ignored when training
        /// starts from random weights. With <see cref="FreezeBackbone"/>, <see cref="FreezeEpochs"/> or <see
        /// cref="BackboneLearningRateFactor"/>, which decide it themselves, Auto and Full have no effect, and HeadOnly and Gentle are
        /// refused.
        /// </summary>
        /// <remarks>
        /// <see cref="Method"/>, <see cref="BaseOptimizer"/>, <see cref="LearningRate"/>, <see cref="Epoch"/> and <see
        /// cref="Augmentation"/> have other defaults then, and are used as given where they are set. Where the head alone is trained none
        /// of them matters: it is the solution of a convex problem.
        /// </remarks>
        public FineTuning FineTuning { get; set; } = FineTuning.Auto;

        /// <summary>
        /// How long <see cref="FineTuning.Auto"/> may continue with the whole network after the head. Default five minutes; null for no
        /// time at all: the head alone; <see cref="TimeSpan.MaxValue"/> for as long as it takes.
        /// </summary>
        /// <remarks>What is tried is planned by an estimate, which is logged. The first steps then tell how fast the machine is: where time
        /// is short there are fewer epochs, or such without a climb, and where it is up a training is ended and judged as it is; the log
        /// says so. With ample time the clock decides nothing, and the same seed gives the same model. Of more images than the estimate
        /// allows for only features are kept in memory, not the pixels. Each training has the whole time: each fold of
        /// <c>CrossValidate</c>, and each trial of a sweep.</remarks>
        public TimeSpan? TimeBudget { get; set; } = TimeSpan.FromMinutes(5);

        /// <summary>
        /// Leaves batch norm as the initial weights have it: it normalises by its running statistics, which stay, and its scale and bias
        /// do not learn. Default false. For small batches, and for weights whose statistics are better than a few pictures'.
        /// </summary>
        public bool FreezeBatchNorm { get; set; }

        /// <summary>
        /// Trains the head alone, the last linear layer; everything below it stays as <see cref="InitialWeights"/> has it, running
        /// statistics of batch norm included, and works as in scoring (no dropout). Default false: the whole network learns.
        /// </summary>
        /// <remarks>Without <see cref="Augmentation"/> each image goes through the backbone once and training takes seconds. Encoded images
        /// then go through it as they are read: memory holds a batch and features, and not the pixels, unless a <see
        /// cref="CheckpointPath"/>, a <see cref="WorkspacePath"/> or processes that share the work need them.</remarks>
        public bool FreezeBackbone { get; set; }

        /// <summary>
        /// The number of epochs at the start in which only the head is trained, as with <see cref="FreezeBackbone"/>; then the whole
        /// network is. Default 0. A few keep the large gradients of a random head away from good weights below it.
        /// </summary>
        /// <remarks>
        /// The learning rate follows <see cref="Schedule"/> all along. When the backbone is freed, the optimiser's momentum or moments
        /// start at zero, for the head as well.
        /// </remarks>
        public int FreezeEpochs { get; set; }

        /// <summary>
        /// The learning rate of everything below the head, as a multiple of the head's; above 0. Default 1, which leaves it to <see
        /// cref="FineTuning"/>: <see cref="FineTuning.Gentle"/>, also as a part of Auto, has 0.1. With <see cref="InitialWeights"/> 0.1 is
        /// usual: the backbone is trained already, a new head is not. The climb of SAM is the same for all weights.
        /// </summary>
        public double BackboneLearningRateFactor { get; set; } = 1;

        /// <summary>Width that images are resized to, in pixels. Default: that of the data where it is fixed; else the height where that
        /// alone is set; else from weights what they were trained at where their file tells, or 128 (224 for a vision transformer), and 64
        /// from scratch.</summary>
        /// <remarks>The size of an <see cref="MLImage"/> column is left aside where neither side is set and the network of the weights
        /// cannot take it.</remarks>
        public int? ImageWidth { get; set; }

        /// <summary>Height that images are resized to, in pixels. Default: that of the data where it is fixed; else the width where that
        /// alone is set; else from weights what they were trained at where their file tells, or 128 (224 for a vision transformer), and 64
        /// from scratch.</summary>
        /// <inheritdoc cref="ImageWidth" path="/remarks"/>
        public int? ImageHeight { get; set; }

        /// <summary>
        /// Channels that images are converted to, 1 (grey) or 3 (red, green, blue). A vector of pixels may also have 4. Default: those of a
        /// vector, of which one of one dimension has as many as its values fill with the width and height given (all red, then green, then
        /// blue); for pictures those of the weights where training starts from weights, so that grey files are taken in colour, and from
        /// scratch 3, unless all of them are files that store grey values.
        /// </summary>
        /// <remarks>From scratch, grey images in a mixture are taken in colour, which is logged once. With 1, the colour weights of a file
        /// that <see cref="InitialWeights"/> names are summed over their channels; where neither it nor <see cref="Arch"/> is set,
        /// training starts from random weights.</remarks>
        public int? ImageChannels { get; set; }

        /// <summary>
        /// How images of another aspect ratio are fitted to that size, in training and, since it is saved in the model, in scoring. Default
        /// <see cref="ResizingKind.Fill"/>: nothing is lost. Pixel vectors are never resized.
        /// </summary>
        public ResizingKind Resizing { get; set; } = ResizingKind.Fill;

        /// <summary>
        /// What to do about images that cannot be used, in the training and the validation data. Default
        /// <see cref="OnBadImage.Error"/>, which names all of them: a training set with holes is for the user to decide on. A file
        /// that cannot be opened at all is an error always, and so is a bad image in scoring.
        /// </summary>
        public OnBadImage OnBadImage { get; set; } = OnBadImage.Error;

        /// <summary>
        /// A folder for the decoded images of the training and the validation data, for data larger than memory: they are written to files
        /// there, which are mapped, so that memory holds what the system has room for. The next training on the same images with the same
        /// settings uses them again and decodes nothing. Default null: decoded images stay in memory, a byte (or float) for each value.
        /// </summary>
        /// <remarks>
        /// <para>The folder is created if need be, and needs width × height × channels bytes for each image; a local disk, best a
        /// solid-state one, since batches are drawn from all over the file. The result is the same with and without, bit for bit.</para>
        /// <para>A file is used again where the bytes of all images (in their order), the size, channels and <see cref="Resizing"/>, and
        /// the version of the decoder are the same; the images are read and hashed for that, and the file's checksum is verified. Labels
        /// always come from the data. Anything else makes a new file, and the old ones stay until <see cref="ImageCache.Delete"/> is
        /// called. Several trainings can use one folder at the same time.</para>
        /// <para>The data must be such that they can be read more than once (a list or files, and no queue): they are read again where the
        /// folder does not have their images.</para>
        /// </remarks>
        public string? WorkspacePath { get; set; }

        /// <summary>
        /// Largest number of images in a mini-batch; an epoch's batches are made equal in size. Default 64: small enough for many steps
        /// on a data set of a few hundred images, large enough to keep two cores busy. Of a network that starts from weights it is an
        /// eighth of the images, from 16 to this; this with <see cref="FineTuning.Full"/> and an optimiser or learning rate of your own.
        /// </summary>
        public int BatchSize { get; set; } = 64;

        /// <summary>
        /// Passes over the training images. Default 30; of a network that starts from weights 8 (<see cref="FineTuning.Gentle"/>) or 10
        /// (<see cref="FineTuning.Full"/>). <see cref="FineTuning.Auto"/> makes fewer where <see cref="TimeBudget"/> is too short for
        /// these.
        /// </summary>
        /// <remarks>Where it is not set, it reads 30, also where a network that starts from weights will have its own.</remarks>
        public int Epoch
        {
            get => GivenEpoch ?? 30;
            set => GivenEpoch = value;
        }

        /// <summary>
        /// The optimiser that takes the sharpness-aware gradient. Default SGD with learning rate 0.05 (0.1 for batches of 128, halved
        /// with the batch), momentum 0.9 and weight decay 5e-4: what the methods' papers use on images of this size. A network that starts
        /// from weights has AdamW with learning rate 0.001 (<see cref="FineTuning.Gentle"/>; Auto also tries 0.003), and a tenth of that
        /// below the head; SGD with 0.02 for <see cref="FineTuning.Full"/>.
        /// </summary>
        /// <remarks>Where it is not set, it reads as the default from scratch: <c>options.BaseOptimizer with { … }</c> is that SGD for a
        /// network that starts from weights, too, of which the log warns. Set <see cref="BaseOptimizer.AdamW"/> there.</remarks>
        public BaseOptimizer BaseOptimizer
        {
            get => GivenBaseOptimizer ?? new BaseOptimizer.Sgd(LearningRate: 0.05);
            set => GivenBaseOptimizer = value ?? throw new ArgumentNullException(nameof(value));
        }

        /// <summary>Peak learning rate; replaces that of <see cref="BaseOptimizer"/>. Default: that of <see
        /// cref="BaseOptimizer"/>.</summary>
        /// <remarks>Leave it unset where a training starts from weights, also if you come from ML.NET's trainer: its 0.01 is for a head
        /// alone. <see cref="FineTuning.Gentle"/>, also as a part of Auto, is by AdamW, which 0.001 to 0.003 suit; the log warns of 0.005
        /// and more.</remarks>
        public double? LearningRate { get; set; }

        /// <summary>How the learning rate changes along the training. Default: cosine to zero with linear warm-up over the first 5
        /// %.</summary>
        public LearningRateSchedule Schedule { get; set; } = new LearningRateSchedule.Cosine();

        /// <summary>
        /// The loss of both passes; CSAM damps it in the second. Default: cross entropy, a proper scoring rule.
        /// </summary>
        public ClassificationLoss Loss { get; set; } = new ClassificationLoss.CrossEntropy();

        /// <summary>Random changes of the training images. Default: none, since what leaves a class unchanged depends on the data; <see
        /// cref="Augmentation.Light"/> where a network that starts from weights is trained by <see cref="FineTuning.Gentle"/>, also as a
        /// part of Auto.</summary>
        /// <remarks>Where it is not set, it reads None, also where Light is in force.</remarks>
        public Augmentation Augmentation
        {
            get => GivenAugmentation ?? Augmentation.None;
            set => GivenAugmentation = value ?? throw new ArgumentNullException(nameof(value));
        }

        /// <summary>
        /// What the network's input is normalised with. Default <see cref="PixelNormalization.FromData"/>: with <see
        /// cref="InitialWeights"/> what these were trained with, where that is known; else each channel gets mean 0 and deviation 1 over
        /// the training images. For published weights whose file does not tell it take what they were trained with, such as <see
        /// cref="PixelNormalization.ImageNet"/>; what is wholly unlike the file's is warned of. It is saved in the model.
        /// </summary>
        public PixelNormalization Normalization { get; set; } = PixelNormalization.FromData;

        /// <summary>Gradients with a larger norm are shortened to it before the update. Default: no limit.</summary>
        public double? MaxGradientNorm { get; set; }

        /// <summary>Images to validate on. Default: <see cref="ValidationSetFraction"/> of the training images; where fine-tuning begins
        /// with the head (<see cref="FineTuning"/>), none are needed for it.</summary>
        public IDataView? ValidationSet { get; set; }

        /// <summary>
        /// Share of the training images that is set aside for validation, drawn with the same share of each class.
        /// Ignored with a <see cref="ValidationSet"/>. Default 0.1; null or 0 for none. The temperature is fitted on them and wants a
        /// hundred.
        /// </summary>
        /// <remarks>It has no effect where fine-tuning begins with the head (<see cref="FineTuning"/> other than Full): the head is trained
        /// on all images, each of which is judged by a head that has not seen it, nor those next to it in the data. The whole network,
        /// where it is tried after the head, is trained on four fifths of the images. On the other fifth, of each class images that follow
        /// each other, it is compared with the head, and its temperature is fitted.</remarks>
        public double? ValidationSetFraction { get; set; } = 0.1;

        /// <summary>
        /// Stops before the last epoch and restores the best epoch's weights, whatever <see cref="EarlyStopping.MinDelta"/> is. Default
        /// null: with a learning rate that anneals to zero the last epochs are the best ones, and stopping early would cut the annealing
        /// off.
        /// </summary>
        /// <remarks>It has no effect where fine-tuning begins with the head (<see cref="FineTuning"/> other than Full), which a warning
        /// says: the head has no epochs, and a training of the whole network after it is not stopped early.</remarks>
        public EarlyStopping? EarlyStoppingCriteria { get; set; }

        /// <summary>
        /// How the probabilities are calibrated on the validation images after training. Default
        /// <see cref="ProbabilityCalibration.Temperature"/>: one number, fitted in milliseconds, that never changes a prediction.
        /// </summary>
        public ProbabilityCalibration Calibration { get; set; } = ProbabilityCalibration.Temperature;

        /// <summary>Called after each epoch, on the training thread. Where fine-tuning trains the head and then, perhaps more than once,
        /// the whole network, <see cref="EpochMetrics.Phase"/> tells which of them the epoch is of.</summary>
        public Action<EpochMetrics>? MetricsCallback { get; set; }

        /// <summary>"cpu", "cuda" or "cuda:N". Default null: the GPU of <c>MLContext.GpuDeviceId</c> where that is set; else the first GPU
        /// where the application brought a CUDA backend, else the CPU.</summary>
        /// <remarks>Where the GPU that this or GpuDeviceId names cannot be used, <c>Fit</c> throws, or takes the CPU where
        /// <c>MLContext.FallbackToCpu</c> is set. It is not saved: a model that is loaded takes the default, and <see
        /// cref="SharpnessAwareImageClassificationTransformer.WithDevice"/> puts it elsewhere.</remarks>
        public string? Device { get; set; }

        /// <summary>
        /// Seed of weights, split, order and augmentation. Default: the seed of the MLContext, or a fresh one (which is logged). On a CPU,
        /// the same seed and number of threads give bit-identical weights.
        /// </summary>
        public int? Seed { get; set; }

        /// <summary>
        /// Stops the training within one step; <c>Fit</c> then throws <see cref="OperationCanceledException"/>. With a
        /// <see cref="CheckpointPath"/>, and in a <see cref="ProcessGroup"/> of several, a validation that has begun is finished first.
        /// </summary>
        public CancellationToken CancellationToken { get; set; }

        /// <summary>
        /// A file that keeps the training's whole state, written after each epoch. If the process ends, the next <c>Fit</c> with the same
        /// settings and data continues from it, to the same weights bit for bit (on a CPU with the same number of threads); of a finished
        /// training it gives the model at once. The checkpoint before is kept beside it, with <c>.previous</c> at the end of its name.
        /// Default null: no checkpoint.
        /// </summary>
        /// <remarks>
        /// <para>A checkpoint of other settings, images, initial weights or another network is refused; all are compared by content, so
        /// that a file may be moved and a loss of your own made anew. What cannot be seen is whether the code of your loss has changed.
        /// Delete the files, or choose another name, to begin anew. A model of the best epoch so far is
        /// <see cref="BestFromCheckpoint"/>. Leave it null where one trainer is fitted several times, as in <c>CrossValidate</c> and
        /// <c>CrossFitted</c>: it is of one training, and two at the same time are refused, by a file with .lock after this name that
        /// is there as long as the training runs.</para>
        /// <para>Set <see cref="Seed"/>, or the seed of the MLContext, too: with a fresh seed each time no training continues
        /// another.</para>
        /// <para>Fine-tuning that begins with the head (<see cref="FineTuning"/> other than Full) takes seconds, or <see
        /// cref="TimeBudget"/>, and is not resumed: a warning says so, and the file is neither read nor written.</para>
        /// </remarks>
        public string? CheckpointPath { get; set; }

        /// <summary>
        /// Also writes the checkpoint every so many steps, for epochs that take long. Default null: after each epoch only. It needs a
        /// <see cref="CheckpointPath"/>.
        /// </summary>
        public int? CheckpointSteps { get; set; }

        /// <summary>
        /// Makes an average of the weights that the training goes through its result. Default null: the last weights, which a learning rate
        /// that anneals to zero has averaged already.
        /// </summary>
        public WeightAveraging? WeightAveraging { get; set; }

        /// <summary>
        /// What happens when loss or gradient are no longer finite. Default <see cref="OnDivergence.Stop"/>: the learning rate was too
        /// high, and the one who set it should know. <c>Fit</c> throws then, but for a training that <see cref="FineTuning.Auto"/> tries
        /// after the head: of that a warning tells, and the rest goes on.
        /// </summary>
        public OnDivergence OnDivergence { get; set; } = OnDivergence.Stop;

        /// <summary>
        /// Processes, on one machine or on many, that train one network together: <see cref="SharpnessAware.ProcessGroup.Mpi"/> where
        /// mpirun or srun has started them. Default null: this process trains alone.
        /// </summary>
        /// <remarks>
        /// <para>Every process calls <c>Fit</c> with the same data and settings, which is checked before the first step (with <see
        /// cref="Sharding"/> ByRow of the images by a sample). Each takes its part
        /// of every mini-batch, so that <see cref="BatchSize"/> is that of all together and the number of processes changes no other
        /// setting; validation is shared out in the same way. Process 0 logs, reports progress and metrics, and writes the checkpoint; the
        /// model is the same in all, bit for bit. See docs/scaling.md.</para>
        /// <para>A process that fails ends the others with a <see cref="ProcessGroupException"/> that names it. The group stays yours to
        /// dispose.</para>
        /// </remarks>
        public ProcessGroup? ProcessGroup { get; set; }

        /// <summary>
        /// Whether the processes of <see cref="ProcessGroup"/> climb together, along the gradient of the whole mini-batch, which costs a
        /// second exchange of gradients a step and gives what one process gives, apart from batch normalisation. Default false: each climbs
        /// by its own part of the mini-batch (m-sharpness), which is at least as good; the result then depends on how many there are.
        /// </summary>
        public bool SharedAscent { get; set; }

        /// <summary>
        /// Whether batch norm normalises by the images of all processes of <see cref="ProcessGroup"/>, with an exchange for each layer in
        /// each forward and backward pass. Default false: by those of each process, which is enough where a process has 16 or more. With
        /// <see cref="SharedAscent"/> the result is that of one process, whatever the network.
        /// </summary>
        /// <remarks>It needs SharedAscent, or a method without a climb, and no AscentShare. A step of ResNet-20 took 1.7 times as long with
        /// it (docs/scaling.md).</remarks>
        public bool SynchronizeBatchNorm { get; set; }

        /// <summary>
        /// Which images each process of <see cref="ProcessGroup"/> decodes and keeps. Default <see cref="DataSharding.None"/>: all of them.
        /// <see cref="DataSharding.ByRow"/>: its own share, for data that take long to decode or are larger than a machine's memory.
        /// </summary>
        /// <remarks>
        /// <para>With ByRow the split, the images of an epoch, their augmentation and the metrics are those of one process. The
        /// mini-batches are others, since each has so many rows of every process; where all climb together (<see cref="SharedAscent"/>) and
        /// no layer depends on who has which image, the result is that of one process with these mini-batches. Images are mixed (mixup,
        /// CutMix) with others of the same process.</para>
        /// <para>The data are read twice, first for the labels alone; a source that gives other rows then, such as a queue, is
        /// refused.</para>
        /// <para>A checkpoint is continued by the same number of processes; by another one it is refused. With <see cref="WorkspacePath"/>
        /// each process keeps a file of its own share there, and <see cref="ImageChannels"/> must be set for encoded images.</para>
        /// </remarks>
        public DataSharding Sharding { get; set; }

        /// <summary>What the user has set, or null: fine-tuning has defaults of its own.</summary>
        internal SharpnessAwareMethod? GivenMethod { get; private set; }

        /// <inheritdoc cref="GivenMethod"/>
        internal BaseOptimizer? GivenBaseOptimizer { get; private set; }

        /// <inheritdoc cref="GivenMethod"/>
        internal int? GivenEpoch { get; private set; }

        /// <inheritdoc cref="GivenMethod"/>
        internal Augmentation? GivenAugmentation { get; private set; }

        /// <summary>How many images <see cref="FineTuning.Auto"/> wants to compare on: with fewer one picture decides. Less in
        /// tests.</summary>
        internal int LeastToCompareOn { get; set; } = 25;

        /// <summary>Orders the images as so many processes with rows of their own would, in one process; in tests.</summary>
        internal int? OrderOfShares { get; set; }

        /// <summary>What <see cref="TimeBudget"/> is measured by; another one in tests.</summary>
        internal TimeProvider Clock { get; set; } = TimeProvider.System;

        /// <summary>Where packages lay weights; another folder in tests.</summary>
        internal string PretrainedFolder { get; set; } = AppContext.BaseDirectory;

        /// <summary>The processes that train together; null where there is one.</summary>
        internal ProcessGroup? Group => ProcessGroup is { Size: > 1 } group ? group : null;

        internal BaseOptimizer EffectiveBaseOptimizer =>
            LearningRate is double rate ? BaseOptimizer with { LearningRate = rate } : BaseOptimizer;

        /// <summary>Whether the head has to be told from what is below it.</summary>
        internal bool TreatsBackboneDifferently => FreezeBackbone || FreezeEpochs > 0 || BackboneLearningRateFactor != 1;

        /// <summary>The settings for steps of gradient descent, which a head alone does not take, that differ from their
        /// defaults.</summary>
        internal IEnumerable<string> SetForSteps => new (string Name, bool IsSet)[]
        {
            (nameof(Method), GivenMethod is not null),
            (nameof(BaseOptimizer), GivenBaseOptimizer is not null),
            (nameof(LearningRate), LearningRate is not null),
            (nameof(Schedule), Schedule != new LearningRateSchedule.Cosine()),
            (nameof(Epoch), GivenEpoch is not null),
            (nameof(Loss), Loss != new ClassificationLoss.CrossEntropy()),
            (nameof(Augmentation), GivenAugmentation is not null && GivenAugmentation != Augmentation.None),
            (nameof(MaxGradientNorm), MaxGradientNorm is not null),
            (nameof(WeightAveraging), WeightAveraging is not null),
            (nameof(OnDivergence), OnDivergence != OnDivergence.Stop),
            (nameof(FreezeBatchNorm), FreezeBatchNorm),
        }.Where(setting => setting.IsSet).Select(setting => setting.Name);

        /// <summary>Whether the features of an image are the same all along, so that they are computed once.</summary>
        internal bool FeaturesNeverChange => FreezeBackbone && Augmentation == Augmentation.None;

        /// <summary>Whether a pass may draw random numbers: no network or loss of this library does, one's own may (dropout).</summary>
        internal bool DrawsRandomNumbers =>
            !NetworkArchitecture.IsBuiltIn(Arch) || Loss.GetType().Assembly != typeof(ClassificationLoss).Assembly;

        internal ImageRequest ImageRequest => new(ImageWidth, ImageHeight, ImageChannels) { Resizing = Resizing };

        internal Options Clone() => (Options)MemberwiseClone();

        /// <summary>The options of one process of a group: only the first writes checkpoints and reports.</summary>
        internal Options OfThisProcess()
        {
            if (Group is null or { Rank: 0 })
                return this;
            Options options = Clone();
            (options.CheckpointPath, options.CheckpointSteps, options.MetricsCallback) = (null, null, null);
            return options;
        }
    }
}
