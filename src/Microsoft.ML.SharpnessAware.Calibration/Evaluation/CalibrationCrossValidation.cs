using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Cross-validation as <see cref="MulticlassClassificationCatalog"/>.<c>CrossValidate</c> does it (whose training loop derived
/// classes alone can reach), with calibration metrics, and groups of rows dealt to the folds by <see cref="GroupedSplit"/>.</summary>
internal static class CalibrationCrossValidation
{
    public static TrainCatalogBase.CrossValidationResult<MulticlassCalibrationMetrics>[] Run(
        MulticlassClassificationCatalog catalog, IDataView data, IEstimator<ITransformer> estimator, int numberOfFolds,
        string labelColumnName, string? samplingKeyColumnName, int? seed, string scoreColumnName, int numberOfBins, ScoreKind scoreKind,
        string? clusterColumnName)
    {
        IHostEnvironment environment = catalog.GetEnvironment();
        environment.CheckValue(data, nameof(data));
        environment.CheckValue(estimator, nameof(estimator));
        environment.CheckParam(numberOfFolds > 1, nameof(numberOfFolds), "Must be more than 1");
        environment.CheckNonEmpty(labelColumnName, nameof(labelColumnName));
        environment.CheckNonEmpty(scoreColumnName, nameof(scoreColumnName));
        _ = new ConfidenceBins(numberOfBins);       // refuses a wrong number before anything is trained
        Require.Defined(scoreKind, nameof(scoreKind));
        CheckColumns(estimator, data.Schema, labelColumnName, scoreColumnName, clusterColumnName);

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
                    environment, scored, labelColumnName, scoreColumnName, numberOfBins, topKPredictionCount: 0, scoreKind,
                    clusterColumnName: clusterColumnName);
                return new TrainCatalogBase.CrossValidationResult<MulticlassCalibrationMetrics>(model, metrics, scored, fold);
            }),
        ];
    }

    /// <summary>Checks the columns that scored rows will have, as far as the estimator says them: a training may take hours.</summary>
    private static void CheckColumns(IEstimator<ITransformer> estimator, DataViewSchema input, string labelColumnName,
        string scoreColumnName, string? clusterColumnName)
    {
        SchemaShape scored;
        try
        {
            scored = estimator.GetOutputSchema(SchemaShape.Create(input));
        }
        catch (Exception exception) when (exception is NotSupportedException or NotImplementedException)
        {
            // An estimator need not say its columns to be trained: those of the first fold's rows are checked as they are read.
            return;
        }

        LabelColumn.Check(NamedColumn.Find(scored, labelColumnName, "label"));
        ScoreColumns.CheckScore(NamedColumn.Find(scored, scoreColumnName, "score"));
        if (clusterColumnName is not null)
            CodedColumn.CheckClusters(scored, clusterColumnName);
    }
}
