using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Fits the calibrator on rows that are each scored by a model which has not seen them, and trains the model that is kept on all rows; see
/// <see cref="MulticlassCalibratorsCatalog.CrossFitted"/>.
/// </summary>
internal sealed class CrossFittedEstimator(IHostEnvironment environment, IEstimator<ITransformer> estimator,
    MulticlassCalibratorEstimator calibrator, int folds, string? samplingKeyColumnName)
    : IEstimator<TransformerChain<MulticlassCalibratorTransformer>>
{
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => calibrator.GetOutputShape(estimator.GetOutputSchema(inputSchema));

    public TransformerChain<MulticlassCalibratorTransformer> Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        calibrator.CheckBeforeTraining(estimator, input.Schema);
        List<(CalibrationRows Rows, LabelValues? Classes)> unseen = [];
        ITransformer? first = null;
        HashSet<ITransformer>? shared = null;
        foreach (DataOperationsCatalog.TrainTestData fold in GroupedSplit.Folds(environment, input, folds, samplingKeyColumnName))
        {
            ITransformer ofFold = estimator.Fit(fold.TrainSet);
            unseen.Add(calibrator.ReadUnseen(ofFold.Transform(fold.TestSet)));
            if (first is null)
            {
                first = ofFold;
                continue;
            }

            if (shared is null)
                Free(first, shared = Shared(first, ofFold));
            Free(ofFold, shared);
        }

        ITransformer model = estimator.Fit(input);
        if (shared is null && first is not null)
            Free(first, Shared(first, model));
        LabelledScores scores = calibrator.Bind(model.Transform(input).Schema);
        CalibrationRows rows = CalibrationRows.Concat(
            [.. unseen.Select((fold, i) => InOrder(fold.Rows, fold.Classes, scores, i + 1))], scores.NumberOfClasses);
        return model.Append(calibrator.Fit(rows, scores.Classes));
    }

    /// <summary>What two models have both: some estimators, such as that of ApplyOnnxModel, give the same transformer each time.</summary>
    private static HashSet<ITransformer> Shared(ITransformer one, ITransformer other)
    {
        HashSet<ITransformer> shared = new(Members(one), ReferenceEqualityComparer.Instance);
        shared.IntersectWith(Members(other));
        return shared;
    }

    /// <summary>Frees what a model holds that is not needed any more, but for what all of them have.</summary>
    private static void Free(ITransformer model, HashSet<ITransformer> shared)
    {
        foreach (ITransformer member in Members(model).Where(member => !shared.Contains(member)))
            (member as IDisposable)?.Dispose();
    }

    private static IEnumerable<ITransformer> Members(ITransformer transformer) =>
        transformer is ITransformerChainAccessor chain ? chain.Transformers.SelectMany(Members) : [transformer];

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
