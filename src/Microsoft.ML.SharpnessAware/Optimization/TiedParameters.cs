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
    /// Checks that no parameter that is trained has memory in common with another one, or with a frozen parameter or a buffer: they would
    /// be independent as soon as it is a view of its own part of a vector.
    /// </summary>
    /// <exception cref="ArgumentException">Two have. The message names them.</exception>
    public static void CheckApart(IEnumerable<(string Name, Parameter Value)> trained, IEnumerable<(string Name, Tensor Value)> others)
    {
        using DisposeScope scope = NewDisposeScope();
        InMemory[] inMemory =
        [
            .. trained.Select(p => new InMemory("parameter", p.Name, p.Value, IsTrained: true))
                .Concat(others.Select(p =>
                    new InMemory(p.Value is Parameter ? "frozen parameter" : "buffer", p.Name, p.Value, IsTrained: false)))
                .Where(p => p.Value.dtype is ScalarType.Float32 or ScalarType.Float64 && !p.Value.is_sparse && p.Value.numel() > 0)
                .Select(p => p.Placed()).OrderBy(p => p.Start),
        ];
        for (int i = 0; i < inMemory.Length; i++)
        {
            InMemory first = inMemory[i];
            for (int k = i + 1; k < inMemory.Length && inMemory[k].Start < first.End; k++)
            {
                InMemory second = inMemory[k];
                if ((first.IsTrained || second.IsTrained)
                    && HaveElementsInCommon(first.Value, second.Value, (second.Start - first.Start) / first.Value.ElementSize))
                {
                    (InMemory one, InMemory other) = first.IsTrained ? (first, second) : (second, first);
                    throw new ArgumentException(
                        $"Parameter '{one.Name}' shares memory with {other.Kind} '{other.Name}' without being one " +
                        "parameter, so that a step would part them. Give both modules the same Parameter object, or one of them a clone().",
                        "module");
                }
            }
        }
    }

    private readonly record struct InMemory(string Kind, string Name, Tensor Value, bool IsTrained, long Start = 0, long End = 0)
    {
        public InMemory Placed()
        {
            long start = TensorIdentity.StorageOf(Value) + (Value.storage_offset() * Value.ElementSize);
            return this with { Start = start, End = start + ((LastElement(Value) + 1) * Value.ElementSize) };
        }
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
