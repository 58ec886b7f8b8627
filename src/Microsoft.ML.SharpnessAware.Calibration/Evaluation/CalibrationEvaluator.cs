using System.Numerics.Tensors;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Reads labels and scores from a data view, in one pass over these two columns, into a <see cref="CalibrationAccumulator"/>. A second
/// thread adds up one block of rows while the cursor fills the next; blocks follow each other in their order, so that the result does not
/// depend on it.
/// </summary>
internal sealed class CalibrationEvaluator
{
    private readonly IHost _host;
    private readonly LabelledScores _columns;
    private readonly ScoreKind _scoreKind;
    private readonly MeasuredRow? _onRow;
    private readonly IReadOnlyList<ISideColumn> _observed;
    private readonly CodedColumn? _groups;
    private readonly CodedColumn? _clusters;
    private readonly CalibrationAccumulator _accumulator;
    private readonly LogitWatch _logits;
    private readonly SkippedRowCounter _withoutLabel = new();
    private readonly SkippedRowCounter _withoutScore = new();

    private CalibrationEvaluator(
        IHost host, LabelledScores columns, int numberOfBins, int topKPredictionCount, ScoreKind scoreKind, MeasuredRow? onRow,
        IReadOnlyList<ISideColumn> observed, CodedColumn? groups, CodedColumn? clusters)
    {
        _host = host;
        _columns = columns;
        _scoreKind = scoreKind;
        _logits = new LogitWatch(scoreKind);
        _onRow = onRow;
        (_observed, _groups, _clusters) = (observed, groups, clusters);
        _accumulator = new CalibrationAccumulator(columns.NumberOfClasses, numberOfBins, topKPredictionCount);
    }

    /// <param name="environment">Whose log gets the warnings.</param>
    /// <param name="data">The scored rows.</param>
    /// <param name="labelColumnName">The true class.</param>
    /// <param name="scoreColumnName">The scores.</param>
    /// <param name="numberOfBins">The number of confidence bins.</param>
    /// <param name="topKPredictionCount">For how many of the most probable classes to measure.</param>
    /// <param name="scoreKind">What the scores are.</param>
    /// <param name="groupColumnName">What rows are also measured by.</param>
    /// <param name="clusterColumnName">What rows belong to.</param>
    /// <param name="onRow">Called for each row that is measured, by one thread at a time.</param>
    /// <param name="observe">Makes the other columns that this wants to know of.</param>
    public static MulticlassCalibrationMetrics Evaluate(IHostEnvironment environment, IDataView data, string labelColumnName,
        string scoreColumnName, int numberOfBins, int topKPredictionCount, ScoreKind scoreKind, string? groupColumnName = null,
        string? clusterColumnName = null, MeasuredRow? onRow = null, Func<LabelledScores, IReadOnlyList<ISideColumn>>? observe = null)
    {
        environment.CheckValue(data, nameof(data));
        environment.CheckNonEmpty(labelColumnName, nameof(labelColumnName));
        environment.CheckNonEmpty(scoreColumnName, nameof(scoreColumnName));
        Require.Defined(scoreKind, nameof(scoreKind));
        IHost host = environment.Register(nameof(CalibrationEvaluator));
        LabelledScores columns = LabelledScores.Bind(data.Schema, labelColumnName, scoreColumnName);
        CalibrationEvaluator evaluator = new(host, columns, numberOfBins, topKPredictionCount, scoreKind, onRow,
            observe?.Invoke(columns) ?? [], groupColumnName is null ? null : CodedColumn.Groups(data.Schema, groupColumnName,
                CalibrationSums.Cells(columns.NumberOfClasses, numberOfBins, topKPredictionCount)),
            clusterColumnName is null ? null : CodedColumn.Clusters(data.Schema, clusterColumnName));
        evaluator.Read(data);
        return evaluator.GetMetrics();
    }

    private void Read(IDataView data)
    {
        ISideColumn[] sides = [.. _observed, .. new[] { _groups, _clusters }.OfType<ISideColumn>()];
        IEnumerable<DataViewSchema.Column> others = sides.Select(side => side.Column);
        using LabelledScoreCursor cursor = _observed.Count == 0 ? _columns.Open(data, others) : _columns.OpenLazily(data, others);
        Func<int, int>[] readSide = [.. sides.Select(side => side.Open(cursor.Row))];
        ScoreBlock filling = new(_columns.NumberOfClasses, sides.Length);
        ScoreBlock adding = new(_columns.NumberOfClasses, sides.Length);
        Task previous = Task.CompletedTask;
        while (cursor.MoveNext())
        {
            _host.CheckAlive();
            int label = cursor.ReadClass();
            if (label < 0)
            {
                _withoutLabel.Add(cursor.Position, cursor.Number, _groups is null ? -1 : readSide[_observed.Count](label));
                continue;
            }

            cursor.ReadScores(filling.Add(cursor.Position, cursor.ReadId(), label));
            bool isLeftOut = readSide.Length > 0 && HasNoScores(filling.Row(filling.Count - 1));       // it may have no decision either
            for (int side = 0; side < readSide.Length; side++)
                filling.Side(side)[^1] = isLeftOut && sides[side] != _groups ? 0 : readSide[side](isLeftOut ? -1 : label);
            if (!filling.IsFull)
                continue;

            previous.GetAwaiter().GetResult();
            (filling, adding) = (adding, filling);
            ScoreBlock full = adding;
            previous = Task.Run(() => Add(full));
            filling.Truncate(0);
        }

        previous.GetAwaiter().GetResult();
        Add(filling);
    }

    private void Add(ScoreBlock block)
    {
        int kept = 0;
        for (int row = 0; row < block.Count; row++)
        {
            if (_scoreKind == ScoreKind.Probabilities && ProbabilityRow.IsValid(block.Row(row))
                || !LeavesOut(block, row))
                block.Move(row, kept++);
        }

        block.Truncate(kept);
        _accumulator.Add(block.Scores, block.Labels, _groups is null ? default : Groups(block),
            _clusters is null ? default : Clusters(block));
        if (_onRow is not null)
            Show(block, _onRow);
    }

    private Span<int> Groups(ScoreBlock block) => block.Side(_observed.Count);

    private Span<int> Clusters(ScoreBlock block) => block.Side(_observed.Count + (_groups is null ? 0 : 1));

    private void Show(ScoreBlock block, MeasuredRow onRow)
    {
        int[] sides = new int[_observed.Count];
        for (int row = 0; row < block.Count; row++)
        {
            for (int side = 0; side < sides.Length; side++)
                sides[side] = block.Side(side)[row];
            onRow(block.Position(row), block.Id(row), block.Labels[row], block.Row(row), sides,
                _clusters is null ? -1 : Clusters(block)[row]);
        }
    }

    /// <summary>Makes probabilities of logits. Counts a row that is not finite, and throws if it is not a distribution.</summary>
    private bool LeavesOut(ScoreBlock block, int row)
    {
        Span<float> scores = block.Row(row);
        _logits.See(scores);
        if (ScoreRow.ToProbabilities(scores, _scoreKind) is not string problem)
            return false;
        if (!HasNoScores(scores))
            throw ScoreRow.Unusable(_columns.Score.Name, _scoreKind, block.Number(row), problem);
        _withoutScore.Add(block.Position(row), block.Number(row), _groups is null ? -1 : Groups(block)[row]);
        return true;
    }

    /// <summary>Whether a row is left out: probabilities that are not all finite, or logits without a largest.</summary>
    private bool HasNoScores(ReadOnlySpan<float> scores) => !float.IsFinite(TensorPrimitives.Max(scores))        // NaN if any is
        || (_scoreKind == ScoreKind.Probabilities && !float.IsFinite(TensorPrimitives.Min(scores)));

    private MulticlassCalibrationMetrics GetMetrics()
    {
        using (IChannel channel = _host.Start(nameof(Evaluate)))
        {
            _columns.Report(channel);
            _logits.Report(channel, _columns.Score.Name);
            _withoutLabel.Report(channel, $"the label column '{_columns.Label.Name}' is missing or unknown");
            _withoutScore.Report(channel, $"the score column '{_columns.Score.Name}' holds NaN or infinity");
        }

        LeftOutRows leftOut = _withoutLabel.Rows.With(_withoutScore.Rows);
        if (_accumulator.Count == 0)
            throw _host.Except(leftOut.Count == 0
                ? "The data has no rows to evaluate."
                : $"None of the {leftOut.Count} row(s) can be evaluated: column '{_columns.Label.Name}' is missing in "
                    + $"{_withoutLabel.Count} and column '{_columns.Score.Name}' is NaN or infinite in {_withoutScore.Count} of them.");
        return _accumulator.GetMetrics(_columns.Classes?.Names, leftOut, _groups?.Values.Select(group =>
            (group.Number, group.Text, _withoutLabel.OfGroup(group.Number).With(_withoutScore.OfGroup(group.Number)))));
    }
}
