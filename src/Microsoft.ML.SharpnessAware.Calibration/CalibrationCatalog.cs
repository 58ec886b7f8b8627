using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace Microsoft.ML;

/// <summary>The extension methods by which users of any ML.NET classifier reach calibration.</summary>
public static class CalibrationCatalog
{
    /// <summary>
    /// Like <c>mlContext.Model.Save</c>, but the file appears only when it is complete: a failure leaves the model that was there before.
    /// </summary>
    /// <remarks>ML.NET itself writes over the old file at once, so a full disk, a crash or an error in any part of the pipeline leaves
    /// none. A link stays, and the file that it leads to is replaced; devices and pipes are refused. ML.NET lays the model out in
    /// <see cref="MLContext.TempFilePath"/> first, which must have room for it.
    /// </remarks>
    /// <param name="catalog">The model operations of an <see cref="MLContext"/>.</param>
    /// <param name="model">The model, of this library or not.</param>
    /// <param name="inputSchema">The schema of the data that it takes; may be null, as for ML.NET.</param>
    /// <param name="path">The file, usually with the extension .zip. Folders are created.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void SaveAtomically(this ModelOperationsCatalog catalog, ITransformer model, DataViewSchema? inputSchema, string path)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, file => catalog.Save(model, inputSchema, file));
    }

    /// <summary>
    /// Measures how well the probabilities of a multiclass model match what happened, whatever trainer made them. One pass over the two
    /// columns.
    /// </summary>
    /// <param name="catalog">The multiclass catalog of the context.</param>
    /// <param name="data">Scored data, as <c>model.Transform(testData)</c> gives it.</param>
    /// <param name="labelColumnName">The true class: a key of the model's classes.</param>
    /// <param name="scoreColumnName">The class probabilities: a vector of known size of <see cref="float"/>. Each row must sum to 1 within
    /// 0.01.</param>
    /// <param name="numberOfBins">The number of confidence bins. 15 is the usual choice (Guo et al. 2017), so numbers can be compared with
    /// the literature.</param>
    /// <param name="topKPredictionCount">For how many of the most probable classes to measure calibration (<see
    /// cref="MulticlassCalibrationMetrics.TopK"/>), from 0, the default, to the number of classes. It costs time for each row.</param>
    /// <param name="scoreKind">What the scores are: class probabilities, or logits that softmax turns into them (the trainers of
    /// Microsoft.ML.TorchSharp give these).</param>
    /// <param name="groupColumnName">Measures the rows of each value of this column by themselves as well (<see
    /// cref="MulticlassCalibrationMetrics.PerGroup"/>): a region, a camera, a patient. A text, key, number, Boolean or date; rows where it
    /// is missing are a group of their own.</param>
    /// <param name="clusterColumnName">Rows of the same value in this column belong together (pictures of one patient, frames of one
    /// film): <see cref="MulticlassCalibrationMetrics.Bootstrap"/> and <see cref="MulticlassCalibrationMetrics.CompareTo"/> then draw whole
    /// clusters. A row where it is missing stands for itself.</param>
    /// <returns>The metrics, with the reliability diagrams.</returns>
    /// <remarks>
    /// <para>The expected calibration error itself is summed in <see cref="ReliabilityDiagram.ExpectedCalibrationError"/>.</para>
    /// <para>Rows with a missing or unknown label, or with a NaN or infinite score, are left out as <c>Evaluate</c> leaves them out; they
    /// are counted in <see cref="ClassifierCalibrationMetrics.SkippedRows"/> and reported as a warning to the context's log.</para>
    /// <para>Labels and scores are matched by the names of the classes where both columns have them: key values of the label, training
    /// label values or slot names of the score, text or numbers. They may then stand in another order, and the label may lack classes; a
    /// label with a class that the model does not have is refused. Where there are no names, key k is score k. Classes are named by the
    /// score, else by the label, else "0", "1", ….</para>
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, the label has a class that the scores do not
    /// have, there are no names and the label's key count is not the number of scores, or <paramref name="numberOfBins"/> or <paramref
    /// name="topKPredictionCount"/> is out of range.</exception>
    /// <exception cref="InvalidOperationException">There is no row to evaluate, scores are not probabilities (negative, above 1, or a
    /// sum far from 1), or a row has none, or another number than the column's type says; the message names the row.</exception>
    /// <example>
    /// <code>
    /// MulticlassCalibrationMetrics metrics = mlContext.MulticlassClassification.EvaluateCalibration(model.Transform(testData));
    /// Console.WriteLine(metrics);
    /// metrics.ReliabilityDiagram.SavePng("reliability.png");
    /// </code>
    /// </example>
    public static MulticlassCalibrationMetrics EvaluateCalibration(this MulticlassClassificationCatalog catalog, IDataView data,
        string labelColumnName = "Label", string scoreColumnName = "Score", int numberOfBins = 15, int topKPredictionCount = 0,
        ScoreKind scoreKind = ScoreKind.Probabilities, string? groupColumnName = null, string? clusterColumnName = null)
        => CalibrationEvaluator.Evaluate(catalog.GetEnvironment(), data, labelColumnName, scoreColumnName, numberOfBins,
            topKPredictionCount, scoreKind, groupColumnName, clusterColumnName);

    /// <summary>
    /// Measures how well the probability of a binary model matches what happened, whatever trainer made it. One pass over the two columns.
    /// </summary>
    /// <param name="catalog">The binary catalog of the context.</param>
    /// <param name="data">Scored data, as <c>model.Transform(testData)</c> gives it.</param>
    /// <param name="labelColumnName">Whether a row is positive: a <see cref="bool"/>.</param>
    /// <param name="probabilityColumnName">The probability of the positive class: a <see cref="float"/> in [0, 1].</param>
    /// <param name="numberOfBins">The number of bins of the probability.</param>
    /// <param name="groupColumnName">Measures the rows of each value of this column by themselves as well (<see
    /// cref="BinaryCalibrationMetrics.PerGroup"/>): a region, a hospital, an age. A text, key, number, Boolean or date; rows where it is
    /// missing are a group of their own.</param>
    /// <param name="clusterColumnName">Rows of the same value in this column belong together (visits of one patient): <see
    /// cref="BinaryCalibrationMetrics.Bootstrap"/> and <see cref="BinaryCalibrationMetrics.CompareTo"/> then draw whole clusters. A row
    /// where it is missing stands for itself.</param>
    /// <returns>The metrics, with the reliability diagrams.</returns>
    /// <remarks>Rows whose probability is NaN are left out, counted in <see cref="ClassifierCalibrationMetrics.SkippedRows"/> and reported
    /// as a warning to the context's log. Trainers that give a Score but no Probability (averaged perceptron, linear SVM) need a calibrator
    /// first: <c>mlContext.BinaryClassification.Calibrators.Platt</c>.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or has another type, or <paramref name="numberOfBins"/> is out of
    /// range.</exception>
    /// <exception cref="InvalidOperationException">There is no row to evaluate, or a value is not a probability; the message names the
    /// row.</exception>
    /// <example>
    /// <code>
    /// BinaryCalibrationMetrics metrics = mlContext.BinaryClassification.EvaluateCalibration(model.Transform(testData));
    /// Console.WriteLine(metrics);
    /// metrics.ReliabilityDiagram.SavePng("reliability.png");
    /// </code>
    /// </example>
    public static BinaryCalibrationMetrics EvaluateCalibration(this BinaryClassificationCatalog catalog, IDataView data,
        string labelColumnName = "Label", string probabilityColumnName = "Probability", int numberOfBins = 15,
        string? groupColumnName = null, string? clusterColumnName = null)
        => BinaryCalibrationEvaluator.Evaluate(catalog.GetEnvironment(), data, labelColumnName, probabilityColumnName, numberOfBins,
            groupColumnName, clusterColumnName);

    /// <summary>
    /// Trains the estimator on folds of the data and measures the calibration of each model on the fold that it has not seen, as
    /// <c>CrossValidate</c> does for ML.NET's own metrics; with the same seed on the same folds, unless rows belong together.
    /// </summary>
    /// <remarks>
    /// With <paramref name="samplingKeyColumnName"/> the groups that the data have are dealt to the folds as evenly as they can be. So the
    /// rows may be what a split by the same column has left, of which CrossValidate's first folds would be empty, and each row is measured
    /// once: one without a value, which CrossValidate leaves out, is a group by itself, with a warning.
    /// </remarks>
    /// <param name="catalog">The multiclass catalog of the context.</param>
    /// <param name="data">The data to train on and to measure with.</param>
    /// <param name="estimator">The estimator to fit: a trainer, or a pipeline that ends in scores.</param>
    /// <param name="numberOfFolds">The number of folds, at least 2.</param>
    /// <param name="labelColumnName">The true class: a key of the model's classes.</param>
    /// <param name="samplingKeyColumnName">Rows of equal value in this column, a text, key, number, Boolean or date, stay in the same fold,
    /// so that, say, pictures of one patient are not both trained on and measured with; by default there is no such column.</param>
    /// <param name="seed">Decides which row is in which fold; by default the seed of the context.</param>
    /// <param name="scoreColumnName">The column of class probabilities that the models make.</param>
    /// <param name="numberOfBins">The number of confidence bins.</param>
    /// <param name="scoreKind">What the scores are: class probabilities, or logits that softmax turns into them.</param>
    /// <param name="clusterColumnName">Rows of the same value in this column belong together for the intervals of the metrics, as in
    /// <c>EvaluateCalibration</c>. Usually the column by which folds are dealt, which <paramref name="samplingKeyColumnName"/>
    /// names.</param>
    /// <returns>For each fold the metrics, the model and the scored rows that it was measured with.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="numberOfFolds"/> or <paramref name="numberOfBins"/> is out of range,
    /// or a column is missing or has another type; before the first training, where the estimator says what columns it
    /// makes.</exception>
    /// <exception cref="InvalidOperationException">There are fewer rows or groups than folds, a fold has no row to evaluate, or scores are
    /// not probabilities.</exception>
    /// <example>
    /// <code>
    /// var folds = mlContext.MulticlassClassification.CrossValidateCalibration(data, pipeline);
    /// Console.WriteLine(folds.Average(fold => fold.Metrics.ExpectedCalibrationError));
    /// </code>
    /// </example>
    public static IReadOnlyList<TrainCatalogBase.CrossValidationResult<MulticlassCalibrationMetrics>> CrossValidateCalibration(
        this MulticlassClassificationCatalog catalog, IDataView data, IEstimator<ITransformer> estimator, int numberOfFolds = 5,
        string labelColumnName = "Label", string? samplingKeyColumnName = null, int? seed = null, string scoreColumnName = "Score",
        int numberOfBins = 15, ScoreKind scoreKind = ScoreKind.Probabilities, string? clusterColumnName = null)
        => CalibrationCrossValidation.Run(catalog, data, estimator, numberOfFolds, labelColumnName, samplingKeyColumnName, seed,
            scoreColumnName, numberOfBins, scoreKind, clusterColumnName);

    /// <summary>
    /// Measures whether prediction sets (<see cref="MulticlassDecisionsCatalog.PredictionSets"/>) contain the correct class as often as
    /// asked, and how large they are. One pass.
    /// </summary>
    /// <param name="catalog">The multiclass catalog of the context.</param>
    /// <param name="data">Data with sets, as <c>deciding.Transform(testData)</c> gives it; rows that the sets were not fitted on.</param>
    /// <param name="labelColumnName">The true class: a key. Matched with the sets by name where both have names.</param>
    /// <param name="predictionSetColumnName">The sets: a vector of keys.</param>
    /// <param name="clusterColumnName">Rows of the same value in this column belong together (pictures of one patient): <see
    /// cref="PredictionSetMetrics.CoverageInterval"/> is then that of whole clusters. The intervals by class and by size take rows as
    /// independent. A row where it is missing stands for itself.</param>
    /// <remarks>Rows with a missing label are left out, counted, and reported as a warning.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type, or the label is a key of other
    /// classes.</exception>
    /// <exception cref="InvalidOperationException">No row has a label.</exception>
    public static PredictionSetMetrics EvaluatePredictionSets(this MulticlassClassificationCatalog catalog, IDataView data,
        string labelColumnName = "Label", string predictionSetColumnName = "PredictionSet", string? clusterColumnName = null)
        => PredictionSetEvaluator.Evaluate(catalog.GetEnvironment(), data, labelColumnName, predictionSetColumnName, clusterColumnName);

    /// <summary>
    /// Measures how many rows abstention (<see cref="MulticlassDecisionsCatalog.Abstain"/>) accepts, and how often the model is right on
    /// these and on the others. One pass.
    /// </summary>
    /// <param name="catalog">The multiclass catalog of the context.</param>
    /// <param name="data">Data with decisions, as <c>deciding.Transform(testData)</c> gives it; rows that the threshold was not fitted
    /// on.</param>
    /// <param name="labelColumnName">The true class: a key.</param>
    /// <param name="scoreColumnName">The class probabilities or logits; the largest is what the model predicts.</param>
    /// <param name="acceptedColumnName">Whether each row is accepted.</param>
    /// <param name="clusterColumnName">Rows of the same value in this column belong together (pictures of one patient): the intervals are
    /// then those of whole clusters. A row where it is missing stands for itself.</param>
    /// <remarks>Rows with a missing label, or with scores that are NaN or infinite, are left out, counted, and reported as a
    /// warning.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type, or the label is a key of other
    /// classes.</exception>
    /// <exception cref="InvalidOperationException">No row has a label, or one has another number of scores than the column's type
    /// says.</exception>
    public static AbstentionMetrics EvaluateAbstention(this MulticlassClassificationCatalog catalog, IDataView data,
        string labelColumnName = "Label", string scoreColumnName = "Score", string acceptedColumnName = "Accepted",
        string? clusterColumnName = null)
        => AbstentionEvaluator.Evaluate(
            catalog.GetEnvironment(), data, labelColumnName, scoreColumnName, acceptedColumnName, clusterColumnName);

    /// <summary>Members of the multiclass catalog, <c>mlContext.MulticlassClassification</c>.</summary>
    /// <param name="catalog">The multiclass catalog of the context.</param>
    extension(MulticlassClassificationCatalog catalog)
    {
        /// <summary>
        /// Calibrators of multiclass models: fitted on scored rows that the model was not trained on, they turn its probabilities into ones
        /// that match what happens, whatever trainer made the model.
        /// </summary>
        /// <remarks>An extension property, which F#, Visual Basic and C# before 14 do not know: there it is
        /// <c>CalibrationCatalog.get_Calibrators(mlContext.MulticlassClassification)</c>.</remarks>
        /// <example>
        /// <code>
        /// ITransformer model = pipeline.Fit(trainingData);
        /// var calibrator = mlContext.MulticlassClassification.Calibrators.Temperature().Fit(model.Transform(validationData));
        /// ITransformer calibrated = model.Append(calibrator);
        /// mlContext.Model.Save(calibrated, trainingData.Schema, "model.zip");
        /// </code>
        /// </example>
        public MulticlassCalibratorsCatalog Calibrators => new(catalog.GetEnvironment());

        /// <summary>
        /// Decisions: prediction sets that contain the correct class as often as asked, and a confidence threshold above which the
        /// model is correct as often as asked. Fitted on rows that neither the model nor a calibrator has seen.
        /// </summary>
        /// <remarks>An extension property, which F#, Visual Basic and C# before 14 do not know: there it is
        /// <c>CalibrationCatalog.get_Decisions(mlContext.MulticlassClassification)</c>.</remarks>
        public MulticlassDecisionsCatalog Decisions => new(catalog.GetEnvironment());
    }
}
