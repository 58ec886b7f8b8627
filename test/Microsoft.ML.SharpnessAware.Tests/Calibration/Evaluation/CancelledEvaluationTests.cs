using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>An evaluation ends when the context is told to.</summary>
[TestClass]
public sealed class CancelledEvaluationTests
{
    private const int CancelledAt = 1000;

    private readonly MLContext _mlContext = new(1);
    private int _read;

    [TestMethod]
    public void AnEvaluationOfSeveralClassesEndsWhereItIsCancelled()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(Rows(i => new Scored { Label = (uint)(i % 2), Score = [0.3f, 0.7f] }));
        Assert.ThrowsExactly<OperationCanceledException>(() => _mlContext.MulticlassClassification.EvaluateCalibration(data));
        Assert.IsInRange(CancelledAt, CancelledAt + 2, _read);
    }

    [TestMethod]
    public void AnEvaluationOfTwoClassesEndsWhereItIsCancelled()
    {
        IDataView data = _mlContext.Data.LoadFromEnumerable(Rows(i => new Binary { Label = i % 2 == 0, Probability = 0.3f }));
        Assert.ThrowsExactly<OperationCanceledException>(() => _mlContext.BinaryClassification.EvaluateCalibration(data));
        Assert.IsInRange(CancelledAt, CancelledAt + 2, _read);
    }

    [TestMethod]
    public void AnEvaluationThatBeginsAfterTheCancellationEndsAtItsFirstRow()
    {
        _mlContext.CancelExecution();
        IDataView data = _mlContext.Data.LoadFromEnumerable(Rows(i => new Scored { Label = (uint)(i % 2), Score = [0.3f, 0.7f] }));
        Assert.ThrowsExactly<OperationCanceledException>(() => _mlContext.MulticlassClassification.EvaluateCalibration(data));
        Assert.IsInRange(0, 2, _read);
    }

    private IEnumerable<T> Rows<T>(Func<int, T> row)
    {
        for (_read = 0; _read < 100_000; _read++)
        {
            if (_read == CancelledAt)
                _mlContext.CancelExecution();
            yield return row(_read);
        }
    }

    private sealed class Scored
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Score { get; set; } = [];
    }

    private sealed class Binary
    {
        public bool Label { get; set; }

        public float Probability { get; set; }
    }
}
