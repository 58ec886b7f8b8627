using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Adds to each scored row the set of classes that contains the true one as often as was asked, most probable first, and its size. Made by
/// <see cref="MulticlassDecisionsCatalog.PredictionSets"/>.
/// </summary>
/// <remarks>
/// Append it to the model; it is saved, loaded and used in a prediction engine with it. It may be used by several threads at once. Reading
/// a row whose scores are NaN or not probabilities, or that has none, throws InvalidOperationException: nothing can be promised for it. A
/// view whose score column is missing, or of other classes than the sets were fitted on, is refused with ArgumentOutOfRangeException.
/// </remarks>
public sealed class PredictionSetTransformer : RowToRowTransformerBase
{
    internal PredictionSetTransformer(IHostEnvironment environment, DecisionColumns columns, Nonconformity kind, double coverage,
        double[] thresholds,
        int numberOfClasses, long rows, long[] rowsOfThresholds, LabelValues? classes)
        : base(environment.Register(nameof(PredictionSetTransformer))) =>
        (Columns, Kind, CoverageAsked, ThresholdArray, NumberOfClasses, FittedRows, RowsOfThresholds, Classes) =
            (columns, kind, coverage, thresholds, numberOfClasses, rows, rowsOfThresholds, classes);

    /// <summary>The coverage that was asked.</summary>
    public double CoverageAsked { get; }

    /// <summary>What classes are ordered by.</summary>
    public PredictionSetScore Score => Kind.Score;

    /// <summary>The largest score in a set: one for all classes, or one for each (perClass); infinite where there were too few rows to
    /// promise anything.</summary>
    public IReadOnlyList<double> Thresholds => Array.AsReadOnly(ThresholdArray);

    /// <summary>The number of classes.</summary>
    public int NumberOfClasses { get; }

    /// <summary>How many rows the thresholds were fitted on; of clusters one row each.</summary>
    public long FittedRows { get; }

    /// <summary>λ of the regularised score; 0 for the others.</summary>
    public double Penalty => Kind.Penalty;

    /// <summary>How many ranks the regularised score leaves without penalty.</summary>
    public int FreeRanks => Kind.FreeRanks;

    internal DecisionColumns Columns { get; }

    internal Nonconformity Kind { get; }

    internal double[] ThresholdArray { get; }

    /// <summary>How many rows each threshold was fitted on, 0 where a class has the common one; empty where an older file does not
    /// tell.</summary>
    internal long[] RowsOfThresholds { get; }

    internal LabelValues? Classes { get; }

    /// <inheritdoc/>
    protected override IRowMapper MakeRowMapper(DataViewSchema schema) => CreateMapper(schema);

    /// <summary>The same sets, of another column of scores.</summary>
    internal PredictionSetTransformer Of(string scoreColumnName) => new(
        Host, Columns with { ScoreColumnName = scoreColumnName }, Kind, CoverageAsked, ThresholdArray, NumberOfClasses, FittedRows,
        RowsOfThresholds, Classes);

    internal PredictionSetMapper CreateMapper(DataViewSchema schema) => new(this, schema);

    /// <inheritdoc/>
    protected override void SaveModel(ModelSaveContext ctx) => DecisionFile.Save(Host, ctx, this);
}
