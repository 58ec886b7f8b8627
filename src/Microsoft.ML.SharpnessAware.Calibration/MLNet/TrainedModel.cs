using System.Reflection;
using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Tests a trained model, and frees one that is not needed any more, but for what others hold too.</summary>
internal static class TrainedModel
{
    /// <summary>What two models have both: some estimators, such as that of ApplyOnnxModel, give the same transformer each time.</summary>
    public static HashSet<ITransformer> Shared(ITransformer one, ITransformer other)
    {
        HashSet<ITransformer> shared = new(Members(one), ReferenceEqualityComparer.Instance);
        shared.IntersectWith(Members(other));
        return shared;
    }

    /// <summary>The transformers that an estimator, or one of a chain of them, keeps to give them each time.</summary>
    public static HashSet<ITransformer> KeptBy(IEstimator<ITransformer> estimator)
    {
        HashSet<ITransformer> kept = new(ReferenceEqualityComparer.Instance);
        HashSet<object> seen = new(ReferenceEqualityComparer.Instance);
        Add(estimator);
        return kept;

        void Add(object one)
        {
            if (!seen.Add(one))
                return;
            for (Type? type = one.GetType(); type is not null; type = type.BaseType)
            {
                const BindingFlags Own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
                foreach (object? value in type.GetFields(Own).Where(field => !field.FieldType.IsValueType)
                             .Select(field => field.GetValue(one)))
                {
                    if (value is ITransformer transformer)
                        kept.UnionWith(Members(transformer));
                    else if (value is IEnumerable<IEstimator<ITransformer>> chain)
                        chain.ToList().ForEach(Add);
                    else if (value is IEstimator<ITransformer> inner)
                        Add(inner);
                }
            }
        }
    }

    /// <summary>Frees what a model holds, but for what is to stay.</summary>
    public static void Free(ITransformer model, IReadOnlyCollection<ITransformer> butFor)
    {
        foreach (ITransformer member in Members(model).Where(member => !butFor.Contains(member)))
            (member as IDisposable)?.Dispose();
    }

    /// <summary>
    /// What a model makes of rows that it is tested with: also by the steps of its chains that are for training and testing only, such as
    /// one that maps the labels, which a chain's own Transform leaves out.
    /// </summary>
    public static IDataView Test(ITransformer model, IDataView data) => Tested(model).Aggregate(data, (view, step) => step.Transform(view));

    private static IEnumerable<ITransformer> Tested(ITransformer transformer) => transformer is ITransformerChainAccessor chain
        ? chain.Transformers.Where((_, i) => (chain.Scopes[i] & (TransformerScope.Testing | TransformerScope.Scoring)) != 0)
            .SelectMany(Tested)
        : [transformer];

    private static IEnumerable<ITransformer> Members(ITransformer transformer) =>
        transformer is ITransformerChainAccessor chain ? chain.Transformers.SelectMany(Members) : [transformer];
}
