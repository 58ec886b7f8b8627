using System.Text.RegularExpressions;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Parameters of a module that are trained differently from the others, as an immutable value.</summary>
/// <remarks>
/// A group names its parameters by patterns, by modules, or as all normalisation layers or all that is left. A parameter is in one group at
/// most, and one that is in none has the values that a new group has. A parameter that the module has under several names is in a group
/// with all of them, or with none. Groups are equal where they have the same values and come from one group by <c>with</c>: two that were
/// made from the same patterns are not.
/// </remarks>
/// <example>
/// Fine-tuning with a slower backbone, and SAM on normalisation layers only (Mueller et al. 2023):
/// <code>
/// [new ParameterGroup("fc.*"), ParameterGroup.Rest with { LearningRateFactor = 0.1 }]
/// [ParameterGroup.NormalizationLayers, ParameterGroup.Rest with { RhoFactor = 0 }]
/// </code>
/// </example>
public sealed partial record ParameterGroup
{
    // Gives the names that belong to the group; null is the rest.
    private readonly Func<nn.Module, IEnumerable<string>>? _choose;
    private readonly string _description;

    /// <summary>The parameters whose names match one of the patterns, in which * stands for any characters: <c>"layer4.*"</c>.</summary>
    /// <param name="patterns">Names as <c>named_parameters()</c> gives them, case-sensitive.</param>
    /// <exception cref="ArgumentException">There are no patterns, or one is empty.</exception>
    public ParameterGroup(params string[] patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        if (patterns.Length == 0 || patterns.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("A parameter group needs the names of its parameters.", nameof(patterns));
        Regex[] expressions = [.. patterns.Select(pattern => new Regex(
            $"^{Regex.Escape(pattern).Replace(@"\*", ".*", StringComparison.Ordinal)}$", RegexOptions.CultureInvariant))];
        _choose = root => root.named_parameters().Select(p => p.name).Where(name => expressions.Any(e => e.IsMatch(name)));
        _description = string.Join(", ", patterns.Select(pattern => $"'{pattern}'"));
    }

    /// <summary>All parameters of modules that are part of the module that is trained.</summary>
    /// <param name="modules">The modules, layers for example.</param>
    /// <exception cref="ArgumentException">There are no modules.</exception>
    public ParameterGroup(params nn.Module[] modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        if (modules.Length == 0)
            throw new ArgumentException("A parameter group needs its modules.", nameof(modules));
        nn.Module[] own = [.. modules];
        _choose = root => NamesOf(root, own.SelectMany(module => module.parameters()));
        _description = string.Join(", ", own.Select(module => $"module {module.GetName()}"));
    }

    private ParameterGroup(Func<nn.Module, IEnumerable<string>>? choose, string description) =>
        (_choose, _description) = (choose, description);

    /// <summary>The parameters of all normalisation layers: batch, layer, group and instance normalisation, and those inside of
    /// TorchSharp's transformer layers.</summary>
    public static ParameterGroup NormalizationLayers { get; } = new(
        root => NamesOf(root, root.modules().Append(root).SelectMany(NormalizationOf)), "normalisation layers");

    /// <summary>All parameters that are in no other group.</summary>
    public static ParameterGroup Rest { get; } = new((Func<nn.Module, IEnumerable<string>>?)null, "the rest");

    /// <summary>What the learning rate of the optimiser is multiplied by, at least 0. Default 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
    public double LearningRateFactor { get; init => field = Require.NonNegativeFloat(value, nameof(LearningRateFactor)); } = 1;

    /// <summary>
    /// Weight decay λ ≥ 0 of every parameter of the group, whatever its dimensions. Null, the default, is the base optimiser's, which
    /// may leave out biases and norms.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
    public double? WeightDecay
    {
        get;
        init => field = value is { } decay ? Require.NonNegativeFloat(decay, nameof(WeightDecay)) : null;
    }

    /// <summary>
    /// What the radius ρ is multiplied by, at least 0. Default 1. With 0 the group does not climb, and its gradient does not count in the
    /// norm that the climb of the others is divided by.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative, not a number, or beyond the largest float.</exception>
    public double RhoFactor { get; init => field = Require.NonNegativeFloat(value, nameof(RhoFactor)); } = 1;

    /// <summary>
    /// Whether the parameters stay as they are. They require no gradient until the optimiser is disposed, and take no memory for state.
    /// Default false.
    /// </summary>
    public bool Frozen { get; init; }

    /// <summary>Whether this is <see cref="Rest"/>, whatever its values.</summary>
    internal bool IsRest => _choose is null;

    /// <summary>The group of each parameter, by name.</summary>
    /// <exception cref="ArgumentException">Groups overlap, or one names nothing.</exception>
    internal static Dictionary<string, ParameterGroup> Assign(nn.Module module, IReadOnlyList<ParameterGroup> groups)
    {
        var assigned = new Dictionary<string, ParameterGroup>();
        foreach (ParameterGroup group in groups.OrderBy(group => group.IsRest))
        {
            string[] names =
            [
                .. group._choose?.Invoke(module)
                    ?? module.named_parameters().Select(p => p.name).Where(name => !assigned.ContainsKey(name)),
            ];
            if (names.Length == 0)
                throw new ArgumentException($"The parameter group of {group._description} has no parameter of the module.", nameof(groups));
            foreach (string name in names)
            {
                if (!assigned.TryAdd(name, group))
                {
                    throw new ArgumentException(
                        $"Parameter '{name}' is in two groups, of {assigned[name]._description} and of {group._description}; " +
                        "it can be in one.",
                        nameof(groups));
                }
            }
        }
        return assigned;
    }

    /// <summary>Which parameters it names, for messages.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => $"Parameter group of {_description}";

    private static IEnumerable<Parameter> NormalizationOf(nn.Module module) => module switch
    {
        NormBase or LayerNorm or GroupNorm => module.parameters(recurse: false),
        // These have no modules inside that could be asked, but parameters such as "layers.0.norm1.weight".
        TransformerEncoderLayer or TransformerDecoderLayer or TransformerEncoder or TransformerDecoder or Transformer =>
            module.named_parameters(recurse: false).Where(p => InsideTransformer().IsMatch(p.name)).Select(p => p.parameter),
        _ => [],
    };

    [GeneratedRegex(@"(^|\.)norm[123]?\.(weight|bias)$")]
    private static partial Regex InsideTransformer();

    private static IEnumerable<string> NamesOf(nn.Module root, IEnumerable<Parameter> parameters)
    {
        HashSet<Parameter> wanted = [.. parameters];
        foreach ((string name, Parameter parameter) in root.named_parameters())
        {
            if (wanted.Remove(parameter))
                yield return name;
        }
        if (wanted.Count > 0)
            throw new ArgumentException("A module of a parameter group is not part of the module that is trained.", "groups");
    }
}
