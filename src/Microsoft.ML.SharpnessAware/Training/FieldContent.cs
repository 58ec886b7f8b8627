using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A setting as named texts: one for each number, word or switch in it, however deep, and a hash where there are many. Two settings have
/// the same texts if they hold the same, whatever their own texts or notions of equality are, and in every culture.
/// </summary>
/// <remarks>
/// It goes through the fields of records and classes of this library and of the application, through collections, tensors and modules.
/// Of what belongs to .NET, ML.NET or TorchSharp it reads values (structs), boxes and lazy values, and the beginning of a sequence; the
/// rest (a lock, a logger, a generator) is named by its type alone, and of a delegate there is only what it holds and, where it has one,
/// its name: code is not content. So are identities (Guid) and times, which are others in each run.
/// </remarks>
internal static class FieldContent
{
    private const int LongestList = 16;
    private const int MaximumFields = 200;
    private const int MaximumDepth = 16;

    private const int LongestSequence = 1000;

    // Beyond so many values nothing is read: objects that lead to each other in many ways would have no end.
    private const int MaximumValues = 1_000_000;

    // The public key tokens of .NET, ASP.NET, ML.NET, ONNX Runtime and TorchSharp; names of an application may begin as theirs do.
    private static readonly HashSet<string> OthersKeys =
    [
        "7CEC85D7BEA7798E", "B03F5F7F11D50A3A", "B77A5C561934E089", "CC7B13FFCD2DDD51", "ADB9793829DDAE60", "31BF3856AD364E35",
        "F27F157F0A5B7BB6", "67B0E5E1DA516A1C",
    ];

    /// <param name="name">What the texts' names begin with.</param>
    /// <param name="value">The setting.</param>
    public static IReadOnlyList<(string Name, string Value)> Of(string name, object? value) => Of(name, value, met: null);

    /// <summary>The same of what a module holds: tensors and modules in it count by their types, what was met before by where that
    /// was.</summary>
    public static IReadOnlyList<(string Name, string Value)> OfModule(string name, object? value, Met met) => Of(name, value, met);

    private static IReadOnlyList<(string Name, string Value)> Of(string name, object? value, Met? met)
    {
        List<(string Name, string Value)> fields = [];
        new Visitor(fields, met).Visit(name, value, depth: 0);
        if (fields.Count <= MaximumFields)
            return fields;
        byte[] all = Encoding.UTF8.GetBytes(string.Join('\n', fields.Select(field => $"{field.Name}={field.Value}")));
        return [(name, Sum(fields.Count, all))];
    }

    private static string Sum(int values, ReadOnlySpan<byte> content) =>
        string.Create(CultureInfo.InvariantCulture, $"{values} values, SHA-256 {Convert.ToHexString(SHA256.HashData(content))}");

    // F#'s options, results and references have .NET's key, and are nothing but what they hold.
    private static bool IsOthers(Type type) => type.Assembly.GetName() is var assembly && assembly.Name != "FSharp.Core"
        && OthersKeys.Contains(Convert.ToHexString(assembly.GetPublicKeyToken() ?? []));

    private static string NameOf(Type type) => type.Assembly == typeof(FieldContent).Assembly ? type.Name : type.FullName ?? type.Name;

    /// <summary>Objects that were read, where, and how deep that was.</summary>
    public sealed class Met() : Dictionary<object, (string Name, int Depth)>(ReferenceEqualityComparer.Instance);

    /// <param name="fields">Where the texts go.</param>
    /// <param name="met">What is read once only; null where each text is to tell all that it holds, as those of options do.</param>
    private sealed class Visitor(List<(string Name, string Value)> fields, Met? met)
    {
        private readonly HashSet<object> _parents = new(ReferenceEqualityComparer.Instance);
        private readonly bool _withWeights = met is null;

        // Without weights no name tells a version, or what the compiler calls a lambda's variables.
        private string NameOf(Type type) => _withWeights ? FieldContent.NameOf(type)
            : type.Name.StartsWith('<') ? "variables" : type.ToString();

        public void Visit(string name, object? value, int depth)
        {
            if (fields.Count >= MaximumValues)
                return;
            string? text = value switch
            {
                null => "none",
                string word => $"'{word}'",
                Enum or bool or char => value.ToString(),
                Type type => type.FullName,
                Guid or DateTime or DateTimeOffset => NameOf(value.GetType()),
                IFormattable number when number is not ITuple && IsOthers(value.GetType()) =>
                    number.ToString(null, CultureInfo.InvariantCulture),
                Array { Rank: 1 } array when array.GetType().GetElementType()!.IsPrimitive => Text(array),
                Scalar scalar => Text(scalar),
                CancellationToken or nn.Module or Tensor when value is CancellationToken || !_withWeights => value.GetType().ToString(),
                Tensor tensor => $"{TensorContent.Shape(tensor)}, SHA-256 {TensorContent.Hash([new("", tensor)])}",
                nn.Module module => $"{NameOf(module.GetType())}, SHA-256 {TensorContent.Hash(module.state_dict())}",
                _ => null,
            };
            if (text is not null)
                fields.Add((name, text));
            else if (depth >= MaximumDepth || !(value!.GetType().IsValueType || _parents.Add(value)))
                fields.Add((name, NameOf(value!.GetType())));       // in itself: a circle
            else if (!IsRead(name, value, depth))
                VisitParts(name, value, depth + 1);
        }

        /// <summary>Whether an object was read before, and no deeper than here: then more of it would not be reached.</summary>
        private bool IsRead(string name, object value, int depth)
        {
            if (met is null || value.GetType().IsValueType)
                return false;
            if (met.TryGetValue(value, out (string Name, int Depth) before) && before.Depth <= depth)
            {
                fields.Add((name, $"as {before.Name}"));
                _parents.Remove(value);
                return true;
            }

            met[value] = (name, depth);
            return false;
        }

        private void VisitParts(string name, object value, int depth)
        {
            Type type = value.GetType();
            switch (value)
            {
                case Delegate function:
                    bool hasName = !function.Method.Name.Contains('<');     // the compiler's own names change with the code around them
                    fields.Add((name, hasName ? $"{function.Method.DeclaringType}.{function.Method.Name}" : NameOf(type)));
                    if (function.Target is not null)
                        Visit($"{name}.Target", function.Target, depth);
                    break;
                case ITuple tuple:
                    for (int i = 0; i < tuple.Length; i++)
                        Visit($"{name}.Item{Text(i + 1)}", tuple[i], depth);
                    break;
                case IDictionary dictionary:
                    VisitList(name, [.. dictionary.Keys.Cast<object>().Select(key => (Key: key, Text: KeyText(key)))
                        .OrderBy(entry => entry.Text, StringComparer.Ordinal)
                        .Select(entry => (object)(entry.Text, dictionary[entry.Key]))], depth);
                    break;
                case IEnumerable list when value is ICollection || IsCollection(type):
                    VisitList(name, [.. list.Cast<object?>()], depth);
                    break;
                case IEnumerable sequence when IsLazySequence(type):
                    VisitList(name, [.. sequence.Cast<object?>().Take(LongestSequence)], depth);
                    break;
                case var _ when Memory(value) is Array memory:
                    Visit(name, memory, depth);
                    break;
                case var _ when _withWeights && IsOf(type, typeof(Lazy<>)):
                    Visit($"{name}.Value", type.GetProperty("Value")!.GetValue(value), depth);
                    break;
                case var _ when IsOthers(type) && !type.IsValueType && !IsOf(type, typeof(StrongBox<>)):
                    fields.Add((name, NameOf(type)));
                    break;
                default:
                    fields.Add((name, IsOthers(type) ? type.ToString() : NameOf(type)));
                    foreach (FieldInfo field in IsOthers(type) ? OwnFields(type) : Fields(type))
                        Visit($"{name}.{PropertyOf(field)}", field.GetValue(value), depth);
                    break;
            }
            _parents.Remove(value);
        }

        private void VisitList(string name, List<object?> items, int depth)
        {
            fields.Add((name, $"a list of {Text(items.Count)}"));
            for (int i = 0; i < items.Count; i++)
                Visit($"{name}[{Text(i)}]", items[i], depth);
        }
    }

    private static bool IsCollection(Type type) => type.GetInterfaces().Where(one => one.IsGenericType)
        .Select(one => one.GetGenericTypeDefinition()).Any(one => one == typeof(IReadOnlyCollection<>) || one == typeof(ICollection<>));

    /// <summary>Whether it is a query or a method with yield: what it holds changes as it is read.</summary>
    private static bool IsLazySequence(Type type) =>
        type.Assembly == typeof(Enumerable).Assembly || (type.Name.StartsWith('<') && !IsOthers(type));

    /// <summary>What a memory reaches, copied; null for another type.</summary>
    private static Array? Memory(object value) => IsOf(value.GetType(), typeof(Memory<>)) || IsOf(value.GetType(), typeof(ReadOnlyMemory<>))
        ? (Array)value.GetType().GetMethod("ToArray")!.Invoke(value, null)!
        : null;

    private static bool IsOf(Type type, Type definition) => type.IsGenericType && type.GetGenericTypeDefinition() == definition;

    private static string KeyText(object key) => string.Join(", ", Of("", key).Select(field => field.Value));

    private static IEnumerable<FieldInfo> Fields(Type type)
    {
        for (Type? of = type; of is not null && !IsOthers(of); of = of.BaseType)
        {
            foreach (FieldInfo field in OwnFields(of))
                yield return field;
        }
    }

    /// <summary>The fields that a type declares itself, but for addresses.</summary>
    public static IEnumerable<FieldInfo> OwnFields(Type type)
    {
        const BindingFlags Own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        return type.GetFields(Own).Where(field => !field.FieldType.IsPointer && !field.FieldType.IsByRefLike
            && field.FieldType != typeof(nint) && field.FieldType != typeof(nuint)).OrderBy(PropertyOf, StringComparer.Ordinal);
    }

    // "<Rho>k__BackingField" is the property Rho.
    public static string PropertyOf(FieldInfo field) =>
        field.Name is ['<', .. string name] && name.IndexOf('>') is > 0 and int end ? name[..end] : field.Name;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(Scalar scalar) => scalar.Type switch
    {
        ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64 =>
            scalar.ToDouble().ToString(CultureInfo.InvariantCulture),
        ScalarType.Bool => scalar.ToBoolean().ToString(),
        ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64 => scalar.ToComplexFloat64().ToString(CultureInfo.InvariantCulture),
        _ => scalar.ToInt64().ToString(CultureInfo.InvariantCulture),
    };

    private static string Text(Array numbers)
    {
        if (numbers.Length <= LongestList)
        {
            IEnumerable<string?> texts = numbers.Cast<object>().Select(number => Convert.ToString(number, CultureInfo.InvariantCulture));
            return $"[{string.Join(", ", texts)}]";
        }
        byte[] bytes = new byte[Buffer.ByteLength(numbers)];
        Buffer.BlockCopy(numbers, 0, bytes, 0, bytes.Length);
        return Sum(numbers.Length, bytes);
    }
}
