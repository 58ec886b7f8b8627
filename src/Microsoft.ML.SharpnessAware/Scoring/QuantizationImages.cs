using System.Runtime.InteropServices;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The images that a model is quantised with, and their classes.</summary>
internal sealed class QuantizationImages
{
    private readonly List<byte[]> _pixels = [];
    private readonly List<int> _labels = [];
    private readonly ImageClassifier _classifier;

    /// <exception cref="ArgumentException">There are no images.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing, of another type, or of other classes than the model.</exception>
    /// <exception cref="InvalidOperationException">An image cannot be read; it is named.</exception>
    public QuantizationImages(
        SharpnessAwareImageClassificationTransformer model, ImageClassifier classifier, IDataView images, string? labelColumnName)
    {
        _classifier = classifier;
        ImageColumn column = model.BindImages(images.Schema);
        LabelledScores? labels = labelColumnName is null ? null
            : LabelledScores.Bind(model.GetOutputSchema(images.Schema), labelColumnName, model.Description.ScoreColumnName);
        // By name: in the schema that has the scores as well it may have another place.
        DataViewSchema.Column? label = labels is null ? null : images.Schema[labelColumnName!];
        IEnumerable<DataViewSchema.Column> needed = label is { } one ? [.. column.Columns, one] : column.Columns;
        using DataViewRowCursor cursor = images.GetRowCursor(needed);
        ImageReader reader = column.OpenReader(cursor);
        ValueGetter<ulong>? key = label is { } of ? RowCursorUtils.GetGetterAs<ulong>(NumberDataViewType.UInt64, cursor, of.Index) : null;
        int bytes = classifier.Shape.ValueCount * (classifier.PixelType == ScalarType.Byte ? 1 : sizeof(float));
        while (reader.MoveNext(cursor))
        {
            byte[] pixels = new byte[bytes];
            reader.Read(pixels);
            _pixels.Add(pixels);
            if (key is null)
                continue;
            ulong value = 0;
            key(ref value);
            _labels.Add(labels!.ClassOf(value));
        }

        if (_pixels.Count == 0)
            throw new ArgumentException("QuantizationSet has no images. Give it a few hundred from the validation set.", nameof(images));
    }

    public int Count => _pixels.Count;

    /// <summary>The metrics of scores [<see cref="Count"/> × classes] of the images that have a label; null where none has.</summary>
    public MulticlassCalibrationMetrics? Measure(float[] scores)
    {
        int classes = _classifier.NumberOfClasses;
        int[] labelled = [.. Enumerable.Range(0, _labels.Count).Where(row => _labels[row] >= 0)];
        return labelled.Length == 0 ? null
            : CalibrationMetrics.Compute([.. labelled.SelectMany(row => scores.AsSpan(row * classes, classes).ToArray())],
                [.. labelled.Select(row => _labels[row])], classes);
    }

    /// <summary>The pixels, float32 [rows, channels, height, width].</summary>
    public IEnumerable<(float[] Values, long[] Dimensions)> Batches()
    {
        (int channels, int height, int width) = _classifier.Shape;
        foreach (byte[][] batch in _pixels.Chunk(_classifier.BatchSize))
            yield return ([.. batch.SelectMany(Values)], [batch.Length, channels, height, width]);
    }

    private IEnumerable<float> Values(byte[] pixels) => _classifier.PixelType == ScalarType.Byte
        ? pixels.Select(value => (float)value)
        : MemoryMarshal.Cast<byte, float>(pixels).ToArray();
}
