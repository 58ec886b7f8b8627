using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Microsoft.ML.SharpnessAware.Tests;

// Vectors of pixels of every form.
public sealed partial class ConvertToOnnxTests
{
    private const int Rows = 30;

    [TestMethod]
    [DataRow(3, 5, 7, true)]
    [DataRow(3, 5, 7, false)]
    [DataRow(5, 7, 3, true)]
    [DataRow(5, 7, 3, false)]
    public void WidthIsNotHeightAndChannelsMayComeFirstOrLast(int first, int second, int third, bool areBytes)
    {
        int[] sizes = [first, second, third];
        if (areBytes)
            Check(Random<byte>(sizes), Random<byte>(sizes), sizes, sizes);
        else
            Check(Random<float>(sizes), Random<float>(sizes), sizes, sizes);
    }

    [TestMethod]
    [DataRow(1, 3, true)]
    [DataRow(1, 3, false)]
    [DataRow(3, 1, true)]
    [DataRow(3, 1, false)]
    public void GreyAndColourAreMadeOfEachOther(int trained, int scored, bool areBytes)
    {
        int[] inTraining = [trained, 6, 8], here = [scored, 6, 8];
        if (areBytes)
            Check(Random<byte>(inTraining), Random<byte>(here), inTraining, here);
        else
            Check(Random<float>(inTraining), Random<float>(here), inTraining, here);
    }

    private static void Check<T>(IEnumerable<VectorRow<T>> training, IEnumerable<VectorRow<T>> rows, int[] sizesInTraining, int[] sizes)
        where T : unmanaged
    {
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(MLContext, View(training, sizesInTraining), options =>
            options.Epoch = 1);
        VectorRow<T>[] scored = [.. rows];
        IDataView data = View(scored, sizes);
        float[][] expected = Fitted.Scores(MLContext, model.Transform(data));

        using var session = new InferenceSession(Convert(model, data, 12));
        using var results = session.Run(
        [
            Texts("Label", Rows),
            NamedOnnxValue.CreateFromTensor("Image", new DenseTensor<T>(scored.SelectMany(row => row.Image).ToArray(), [Rows, .. sizes])),
        ]);

        float[] actual = [.. results.Single(result => result.Name == "Score.output").AsEnumerable<float>()];
        for (int i = 0; i < Rows; i++)
        {
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(expected[i][k], actual[(i * 3) + k], Tolerance, $"row {i}, class {k}");
        }
    }

    private static IDataView View<T>(IEnumerable<VectorRow<T>> rows, int[] sizes)
    {
        var definition = SchemaDefinition.Create(typeof(VectorRow<T>));
        PrimitiveDataViewType pixel = typeof(T) == typeof(byte) ? NumberDataViewType.Byte : NumberDataViewType.Single;
        definition[nameof(VectorRow<T>.Image)].ColumnType = new VectorDataViewType(pixel, sizes);
        return Fitted.Keys(MLContext, MLContext.Data.LoadFromEnumerable(rows, definition));
    }

    /// <summary>Every value is equally likely: in colour, no channel is like another.</summary>
    private static VectorRow<T>[] Random<T>(int[] sizes)
        where T : unmanaged
    {
        var random = new Random(sizes[0]);
        int count = sizes.Aggregate((product, size) => product * size);
        return [.. Enumerable.Range(0, Rows).Select(i => new VectorRow<T>
        {
            Label = Shapes.Names[i % 3],
            Image = [.. Enumerable.Range(0, count).Select(_ =>
                typeof(T) == typeof(byte) ? (T)(object)(byte)random.Next(256) : (T)(object)random.NextSingle())],
        })];
    }

    private sealed class VectorRow<T>
    {
        public string Label { get; set; } = "";

        public T[] Image { get; set; } = [];
    }
}
