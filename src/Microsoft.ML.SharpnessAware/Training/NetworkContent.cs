using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// What tells a registered network from another one of the same name: its parameters and buffers, its modules with their settings, and what
/// it says, untrained, of an image, which shows what is between the modules as well.
/// </summary>
internal static class NetworkContent
{
    /// <summary>Names, types and shapes of parameters and buffers, and which parameters learn.</summary>
    public static string Parameters(nn.Module network)
    {
        HashSet<string> fixedOnes =
            [.. network.named_parameters().Where(entry => !entry.parameter.requires_grad).Select(entry => entry.name)];
        string[] all = [.. network.state_dict()
            .Select(entry => $"{entry.Key} {TensorContent.Shape(entry.Value)}{(fixedOnes.Contains(entry.Key) ? " fixed" : "")}")];
        return Sum(all);
    }

    /// <summary>The modules by name and type, with the numbers, words and switches that their own class declares, such as a dropout's p.
    /// The texts are those of earlier checkpoints; <see cref="Settings"/> is what modules hold beyond that.</summary>
    public static string Modules(nn.Module network) => Sum(
        [.. network.named_modules().Select(entry => (entry.name, entry.module)).Prepend((name: "", module: network))
            .Select(entry => $"{entry.name} {entry.module.GetType()} {string.Join(' ', PlainSettings(entry.module))}")]);

    /// <summary>All that the modules hold, in whichever class it is declared, but for weights and other modules: lines such as
    /// "norm.momentum=0.1".</summary>
    public static IReadOnlyList<string> Settings(nn.Module network)
    {
        var met = new FieldContent.Met();
        return [.. network.named_modules().Select(entry => (entry.name, entry.module)).Prepend((name: "", module: network))
            .SelectMany(entry => Fields(entry.module.GetType()).SelectMany(field => FieldContent.OfModule(
                $"{entry.name}.{FieldContent.PropertyOf(field)}".TrimStart('.'), field.GetValue(entry.module), met)))
            .Select(text => $"{text.Name}={text.Value}".ReplaceLineEndings("\\n"))];
    }

    /// <summary>The logits of the first image, as numbers in one text; equal to about a hundredth between machines.</summary>
    public static string Outputs(ImageClassifier classifier, ImageDataset images, int seed)
    {
        using var random = new TorchRandom(seed, classifier.Device);     // for networks that draw in evaluation mode, too
        using Tensor first = images.First();
        classifier.Network.eval();
        float[] logits = random.Draw(() =>
        {
            using DisposeScope scope = NewDisposeScope();
            using var inference = inference_mode();
            Tensor output = classifier.CheckShape(classifier.Run(classifier.Prepare(first)), batch: 1);
            return output.cpu().to(float32).contiguous().data<float>().ToArray();
        });
        return string.Join(' ', logits.Select(logit => logit.ToString(CultureInfo.InvariantCulture)));
    }

    /// <summary>A hash of all weights and buffers below the head, for networks that are made with trained weights.</summary>
    public static string Backbone(ImageClassifier classifier)
    {
        ClassificationHead head = ClassificationHead.Of(classifier.Network, classifier.NumberOfClasses, classifier.Architecture);
        return $"SHA-256 {TensorContent.Hash(classifier.Network.state_dict().Where(entry => !head.Owns(entry.Key)))}";
    }

    /// <summary>The fields of a module's classes, up to TorchSharp's nn.Module and its variants, which hold mode and hooks.</summary>
    private static IEnumerable<FieldInfo> Fields(Type type)
    {
        for (Type? of = type; of is not null && of.DeclaringType != typeof(nn); of = of.BaseType)
        {
            foreach (FieldInfo field in FieldContent.OwnFields(of).Where(field =>
                         !typeof(nn.Module).IsAssignableFrom(field.FieldType) && !typeof(Tensor).IsAssignableFrom(field.FieldType)))
                yield return field;
        }
    }

    private static IEnumerable<string> PlainSettings(nn.Module module)
    {
        Type type = module.GetType();
        IEnumerable<(string Name, object? Value)> values = type.Assembly == typeof(nn.Module).Assembly
            ? type.GetProperties(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly)
                .Where(property => property.GetIndexParameters().Length == 0 && IsPlain(property.PropertyType))
                .Select(property => (property.Name, property.GetValue(module)))
            : type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
                .Where(field => IsPlain(field.FieldType)).Select(field => (field.Name, field.GetValue(module)));
        return values.OrderBy(value => value.Name, StringComparer.Ordinal)
            .Select(value => $"{value.Name}={FieldContent.Of("", value.Value)[0].Value}");
    }

    private static bool IsPlain(Type type) => Nullable.GetUnderlyingType(type) is Type inner
        ? IsPlain(inner)
        : type.IsPrimitive || type.IsEnum || type == typeof(string) || (type.IsArray && type.GetElementType()!.IsPrimitive);

    private static string Sum(string[] lines)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines)));
        return string.Create(CultureInfo.InvariantCulture, $"{lines.Length}, SHA-256 {Convert.ToHexString(hash)}");
    }
}
