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

    /// <summary>The key (counted from 1) of the most probable class; ties go to the lowest.</summary>
    public static uint Key(ReadOnlySpan<float> probabilities) => (uint)TensorPrimitives.IndexOfMax(probabilities) + 1;
}
