using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Parameters that a module has under several names, such as an embedding that is the output layer's weight, too.</summary>
internal static class TiedParameters
{
    /// <summary>Each parameter once, under its first name.</summary>
    /// <param name="all">The module's parameters, in its order.</param>
    /// <param name="groupOf">The group of each name that is in one.</param>
    /// <exception cref="ArgumentException">Two names of one parameter are in different groups.</exception>
    public static (string Name, Parameter Value)[] Once(
        IEnumerable<(string Name, Parameter Value)> all, Dictionary<string, ParameterGroup> groupOf)
    {
        return [.. all.GroupBy(p => TensorIdentity.Of(p.Value)).Select(First)];

        (string Name, Parameter Value) First(IEnumerable<(string Name, Parameter Value)> names)
        {
            (string Name, Parameter Value) first = names.First();
            ParameterGroup? group = groupOf.GetValueOrDefault(first.Name);
            foreach ((string name, _) in names.Skip(1))
            {
                if (!ReferenceEquals(group, groupOf.GetValueOrDefault(name)))
                {
                    throw new ArgumentException(
                        $"'{first.Name}' and '{name}' are one parameter under two names, and one name is in a parameter group that the " +
                        "other is not in. Name both in one group.",
                        "groups");
                }
            }
            return first;
        }
    }

    /// <summary>
    /// Checks that no two parameters have memory in common without being one: they would be independent as soon as each is a view of its
    /// own part of a vector.
    /// </summary>
    /// <exception cref="ArgumentException">Two have. The message names them.</exception>
    public static void CheckApart(IEnumerable<(string Name, Parameter Value)> parameters)
    {
        using DisposeScope scope = NewDisposeScope();
        (string Name, Tensor Value, long Start, long End)[] inMemory =
            [.. parameters.Where(p => p.Value.numel() > 0).Select(p => Place(p.Name, p.Value)).OrderBy(p => p.Start)];
        for (int i = 0; i < inMemory.Length; i++)
        {
            (string name, Tensor value, long start, long end) = inMemory[i];
            for (int k = i + 1; k < inMemory.Length && inMemory[k].Start < end; k++)
            {
                if (HaveElementsInCommon(value, inMemory[k].Value, (inMemory[k].Start - start) / value.ElementSize))
                {
                    throw new ArgumentException(
                        $"Parameters '{name}' and '{inMemory[k].Name}' share memory without being one parameter, so that a step would " +
                        "part them. Give both modules the same Parameter object, or one of them a clone().",
                        "module");
                }
            }
        }
    }

    private static (string Name, Tensor Value, long Start, long End) Place(string name, Tensor value)
    {
        IntPtr storage = value.dtype == ScalarType.Float64 ? value.storage<double>().data_ptr() : value.storage<float>().data_ptr();
        long start = storage + (value.storage_offset() * value.ElementSize);
        return (name, value, start, start + ((LastElement(value) + 1) * value.ElementSize));
    }

    private static long LastElement(Tensor value) => value.shape.Zip(value.stride(), (length, stride) => (length - 1) * stride).Sum();

    /// <summary>Whether what begins in the extent of another is not just interleaved with it, as two halves of a matrix's columns are.
    /// </summary>
    private static bool HaveElementsInCommon(Tensor first, Tensor second, long distance)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor memory = zeros(1 + Math.Max(LastElement(first), distance + LastElement(second)), ScalarType.Bool, CPU);
        memory.as_strided(first.shape, first.stride()).fill_(FixedScalars.One);
        return memory.as_strided(second.shape, second.stride(), distance).any().item<bool>();
    }
}
