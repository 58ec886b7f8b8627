using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// A setting as named texts: one for each number, word or switch in it, however deep, and a hash where there are many. Two settings have
/// the same texts if they hold the same, whatever their own texts or notions of equality are, and in every culture.
/// </summary>
/// <remarks>
/// It goes through the fields of records and classes of this library and of the application, through collections, tensors and modules.
/// What belongs to .NET, ML.NET or TorchSharp beyond that (a lock, a logger, a generator) is named by its type alone, and of a delegate
/// there is only what it holds and, where it has one, its name: code is not content.
/// </remarks>
internal static class FieldContent
{
    private const int LongestList = 16;
    private const int MaximumFields = 200;
    private const int MaximumDepth = 16;

    private static readonly string[] OthersAssemblies = ["System", "Microsoft.", "TorchSharp", "netstandard", "mscorlib"];

    public static IReadOnlyList<(string Name, string Value)> Of(string name, object? value)
    {
        List<(string Name, string Value)> fields = [];
        new Visitor(fields).Visit(name, value, depth: 0);
        if (fields.Count <= MaximumFields)
            return fields;
        byte[] all = Encoding.UTF8.GetBytes(string.Join('\n', fields.Select(field => $"{field.Name}={field.Value}")));
        return [(name, Sum(fields.Count, all))];
    }

    private static string Sum(int values, ReadOnlySpan<byte> content) =>
        string.Create(CultureInfo.InvariantCulture, $"{values} values, SHA-256 {Convert.ToHexString(SHA256.HashData(content))}");

    private static bool IsOthers(Type type) => type.Assembly != typeof(FieldContent).Assembly
        && OthersAssemblies.Any(prefix => type.Assembly.GetName().Name!.StartsWith(prefix, StringComparison.Ordinal))
        && !type.Assembly.GetName().Name!.StartsWith(typeof(FieldContent).Assembly.GetName().Name!, StringComparison.Ordinal);

    private static string NameOf(Type type) => type.Assembly == typeof(FieldContent).Assembly ? type.Name : type.FullName ?? type.Name;

    private sealed class Visitor(List<(string Name, string Value)> fields)
    {
        private readonly HashSet<object> _parents = new(ReferenceEqualityComparer.Instance);

        public void Visit(string name, object? value, int depth)
        {
            string? text = value switch
            {
                null => "none",
                string word => $"'{word}'",
                Enum or bool or char => value.ToString(),
                Type type => type.FullName,
                IFormattable number when number is not ITuple && IsOthers(value.GetType()) =>
                    number.ToString(null, CultureInfo.InvariantCulture),
                Array { Rank: 1 } array when array.GetType().GetElementType()!.IsPrimitive => Text(array),
                Tensor tensor => $"{TensorContent.Shape(tensor)}, SHA-256 {TensorContent.Hash([new("", tensor)])}",
                nn.Module module => $"{NameOf(module.GetType())}, SHA-256 {TensorContent.Hash(module.state_dict())}",
                _ => null,
            };
            if (text is not null)
                fields.Add((name, text));
            else if (depth >= MaximumDepth || !(value!.GetType().IsValueType || _parents.Add(value)))
                fields.Add((name, NameOf(value!.GetType())));       // in itself: a circle
            else
                VisitParts(name, value, depth + 1);
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
                    VisitList(name, [.. dictionary.Keys.Cast<object>().Select(key => (Key: key, Text: Of("", key)[0].Value))
                        .OrderBy(entry => entry.Text, StringComparer.Ordinal)
                        .Select(entry => (object)(entry.Text, dictionary[entry.Key]))], depth);
                    break;
                case IEnumerable list when value is ICollection || IsCollection(type):
                    VisitList(name, [.. list.Cast<object?>()], depth);
                    break;
                case var _ when IsOthers(type):
                    fields.Add((name, NameOf(type)));
                    break;
                default:
                    fields.Add((name, NameOf(type)));
                    foreach (FieldInfo field in Fields(type))
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

    private static IEnumerable<FieldInfo> Fields(Type type)
    {
        for (Type? of = type; of is not null && !IsOthers(of); of = of.BaseType)
        {
            const BindingFlags Own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
            foreach (FieldInfo field in of.GetFields(Own).Where(field => !field.FieldType.IsPointer && !field.FieldType.IsByRefLike)
                         .OrderBy(PropertyOf, StringComparer.Ordinal))
                yield return field;
        }
    }

    // "<Rho>k__BackingField" is the property Rho.
    private static string PropertyOf(FieldInfo field) =>
        field.Name is ['<', .. string name] && name.IndexOf('>') is > 0 and int end ? name[..end] : field.Name;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

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
