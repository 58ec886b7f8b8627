using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Cross-validation as <see cref="MulticlassClassificationCatalog"/>.<c>CrossValidate</c> does it (whose training loop derived
/// classes alone can reach), with calibration metrics, and groups of rows dealt to the folds by <see cref="GroupedSplit"/>.</summary>
internal static class CalibrationCrossValidation
{
    public static TrainCatalogBase.CrossValidationResult<MulticlassCalibrationMetrics>[] Run(
        MulticlassClassificationCatalog catalog, IDataView data, IEstimator<ITransformer> estimator, int numberOfFolds,
        string labelColumnName, string scoreColumnName, string? samplingKeyColumnName, int? seed, int numberOfBins, ScoreKind scoreKind)
    {
        IHostEnvironment environment = catalog.GetEnvironment();
        environment.CheckValue(data, nameof(data));
        environment.CheckValue(estimator, nameof(estimator));
        environment.CheckParam(numberOfFolds > 1, nameof(numberOfFolds), "Must be more than 1");
        environment.CheckNonEmpty(labelColumnName, nameof(labelColumnName));
        environment.CheckNonEmpty(scoreColumnName, nameof(scoreColumnName));
        _ = new ConfidenceBins(numberOfBins);       // refuses a wrong number before anything is trained

        IReadOnlyList<DataOperationsCatalog.TrainTestData> splits = GroupedSplit.Folds(environment, data, numberOfFolds,
            samplingKeyColumnName, seed);
        if (splits.Count < numberOfFolds)
            throw new InvalidOperationException($"The data can fill only {splits.Count} of {numberOfFolds} folds"
                + (samplingKeyColumnName is null ? ": there are too few rows." : $": column '{samplingKeyColumnName}' has too few values.")
                + $" Use a smaller {nameof(numberOfFolds)}.");
        return
        [
            .. splits.Select((split, fold) =>
            {
                ITransformer model = estimator.Fit(split.TrainSet);
                IDataView scored = TrainedModel.Test(model, split.TestSet);
                MulticlassCalibrationMetrics metrics = CalibrationEvaluator.Evaluate(
                    environment, scored, labelColumnName, scoreColumnName, numberOfBins, topKPredictionCount: 0, scoreKind);
                return new TrainCatalogBase.CrossValidationResult<MulticlassCalibrationMetrics>(model, metrics, scored, fold);
            }),
        ];
    }
}
