using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits the calibrator on rows that are each scored by a model which has not seen them, and trains the model that is kept on all rows; see
/// <see cref="MulticlassCalibratorsCatalog.CrossFitted"/>.
/// </summary>
internal sealed class CrossFittedEstimator(IHostEnvironment environment, IEstimator<ITransformer> estimator,
    MulticlassCalibratorEstimator calibrator, int numberOfFolds, string? samplingKeyColumnName, int? seed)
    : IEstimator<TransformerChain<MulticlassCalibratorTransformer>>
{
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => calibrator.GetOutputShape(estimator.GetOutputSchema(inputSchema));

    public TransformerChain<MulticlassCalibratorTransformer> Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        calibrator.CheckBeforeTraining(estimator, input.Schema);
        List<(CalibrationRows Rows, LabelValues? Classes)> unseen = [];
        List<ITransformer> held = [];       // trained and not freed: the first one until another shows what they share
        HashSet<ITransformer>? shared = null;
        try
        {
            foreach (DataOperationsCatalog.TrainTestData fold in GroupedSplit.Folds(
                environment, input, numberOfFolds, samplingKeyColumnName, seed))
            {
                held.Add(estimator.Fit(fold.TrainSet));
                unseen.Add(calibrator.ReadUnseen(TrainedModel.Test(held[^1], fold.TestSet), samplingKeyColumnName));
                if (shared is not null || held.Count > 1)
                    FreeHeld(shared ??= TrainedModel.Shared(held[0], held[1]));
            }

            ITransformer model = estimator.Fit(input);
            if (held.Count > 0)
                FreeHeld(TrainedModel.Shared(held[0], model));
            held.Add(model);
            LabelledScores scores = calibrator.Bind(TrainedModel.Test(model, input).Schema);
            CalibrationRows rows = CalibrationRows.Concat(
                [.. unseen.Select((fold, i) => InOrder(fold.Rows, fold.Classes, scores, i + 1))], scores.NumberOfClasses);
            return model.Append(calibrator.Fit(rows, scores.Classes));
        }
        catch
        {
            shared ??= held.Count > 1 ? TrainedModel.Shared(held[0], held[1]) : [];
            FreeHeld([.. shared, .. TrainedModel.KeptBy(estimator)]);
            throw;
        }

        void FreeHeld(IReadOnlyCollection<ITransformer> butFor)
        {
            foreach (ITransformer model in held)
                TrainedModel.Free(model, butFor);
            held.Clear();
        }
    }

    /// <summary>A pipeline that maps labels to keys itself may number the classes of a fold in another order, or miss one.</summary>
    private static CalibrationRows InOrder(CalibrationRows rows, LabelValues? classes, LabelledScores scores, int fold)
    {
        if (rows.Count == 0)
            return rows;
        if (classes is not null && scores.Classes is not null)
        {
            return ClassOrder.Match(classes.Names, scores.Classes.Names, out int[]? places) is not string problem
                ? places is null && rows.NumberOfClasses == scores.NumberOfClasses ? rows
                    : rows.Moved(places ?? [.. Enumerable.Range(0, rows.NumberOfClasses)], scores.NumberOfClasses)
                : throw new InvalidOperationException($"The model of fold {fold} is of other classes than that of all rows: it {problem}. "
                    + "Map the label to keys before this estimator.");
        }

        return rows.NumberOfClasses == scores.NumberOfClasses
            ? rows
            : throw new InvalidOperationException($"The model of fold {fold} has {rows.NumberOfClasses} scores, that of all rows "
                + $"{scores.NumberOfClasses}. Map the label to keys before this estimator.");
    }
}
