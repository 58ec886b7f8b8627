using System.Numerics.Tensors;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>From one row of probabilities to the values of the output columns.</summary>
internal static class ProbabilityBuffer
{
    public static void Copy(ReadOnlySpan<float> probabilities, ref VBuffer<float> score)
    {
        VBufferEditor<float> editor = VBufferEditor.Create(ref score, probabilities.Length);
        probabilities.CopyTo(editor.Values);
        score = editor.Commit();
    }

    /// <summary>The getter of Score or of PredictedLabel.</summary>
    /// <param name="output">Which of <see cref="ScoreColumns"/>' two columns.</param>
    /// <param name="probabilities">The probabilities of the current row.</param>
    public static Delegate Getter(int output, Func<ReadOnlySpan<float>> probabilities) => output == ScoreColumns.Score
        ? (ValueGetter<VBuffer<float>>)((ref VBuffer<float> score) => Copy(probabilities(), ref score))
        : (ValueGetter<uint>)((ref uint key) => key = Key(probabilities()));

    /// <summary>The key (counted from 1) of the most probable class; ties go to the lowest. 0, a missing value, where one is
    /// NaN.</summary>
    public static uint Key(ReadOnlySpan<float> probabilities)
    {
        int largest = TensorPrimitives.IndexOfMax(probabilities);      // the first NaN, if there is one
        return float.IsNaN(probabilities[largest]) ? 0 : (uint)largest + 1;
    }
}
