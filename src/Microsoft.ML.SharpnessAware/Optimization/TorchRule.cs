using System.Text;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>One of TorchSharp's optimisers, which sees its parameters' gradients as it always does.</summary>
internal sealed class TorchRule(optim.Optimizer optimizer, FlatParameters parameters) : UpdateRule
{
    public override string Name => optimizer.GetType().Name;

    public override double LearningRate
    {
        get => optimizer.ParamGroups.First().LearningRate;
        set
        {
            foreach (optim.ILearningRateController group in optimizer.ParamGroups)
                group.LearningRate = value;
        }
    }

    /// <exception cref="ArgumentException">The optimiser is L-BFGS, or groups have what are settings of the optimiser; from what is
    /// returned, it has other parameters than those that are trained.</exception>
    public static Func<FlatParameters, UpdateRule> Of(optim.Optimizer optimizer, IReadOnlyList<ParameterGroup>? groups)
    {
        if (optimizer is LBFGS)
        {
            throw new ArgumentException(
                "L-BFGS computes the loss itself, as often as it likes in a step, and so cannot be given the gradient of a climb. Take " +
                "another optimiser, SGD or AdamW for example.", "baseOptimizer");
        }
        if (groups?.FirstOrDefault(group => group.LearningRateFactor != 1 || group.WeightDecay is not null) is { } wrong)
        {
            throw new ArgumentException(
                $"{wrong}: learning rates and weight decay of groups are settings of TorchSharp's optimiser here. Make it with groups of " +
                "its own.", nameof(groups));
        }
        return parameters =>
        {
            var rule = new TorchRule(optimizer, parameters);
            rule.CheckTrainsSomething();
            rule.CheckHasNoneTwice();
            return rule;
        };
    }

    public override void Apply() => WithGradients(member => member.HasGradient, StepOfEachOnce);

    /// <summary>Looks for a parameter that has the gradient of one that is trained: there may be two objects of one parameter.</summary>
    private void CheckTrainsSomething()
    {
        if (optimizer is not OptimizerHelper helper)
            return;
        bool any = false;
        WithGradients(_ => true, () => any = Valid(helper).Any(HasGradient));
        if (!any)
        {
            throw new ArgumentException(
                $"None of the parameters of this {Name} is trained here: they are another module's, or frozen. Make it of the " +
                "parameters() of this module, after it was converted or moved.",
                "baseOptimizer");
        }

        static bool HasGradient(Parameter parameter)
        {
            using Tensor? gradient = parameter.grad;
            return gradient is not null;
        }
    }

    private void CheckHasNoneTwice()
    {
        var groupOf = new Dictionary<IntPtr, ParamGroup>();
        foreach (ParamGroup group in optimizer.ParamGroups.OfType<ParamGroup>())
        {
            foreach (IntPtr identity in group.Parameters.Select(TensorIdentity.Of))
            {
                if (groupOf.TryAdd(identity, group) || ReferenceEquals(groupOf[identity], group))
                    continue;
                if (parameters.Members.FirstOrDefault(member => TensorIdentity.Of(member.Parameter) == identity) is { } trained)
                {
                    throw new ArgumentException(
                        $"Parameter '{trained.Name}' is in two groups of this {Name}, perhaps under another name; it can be in one.",
                        "baseOptimizer");
                }
            }
        }
    }

    /// <summary>
    /// TorchSharp's <c>parameters()</c> have a parameter as often as there are objects of it, and its optimisers would update it as often.
    /// </summary>
    private void StepOfEachOnce()
    {
        List<(ParamGroup Group, IEnumerable<Parameter> All)> groups = [];
        try
        {
            foreach (ParamGroup group in optimizer.ParamGroups.OfType<ParamGroup>())
            {
                Parameter[] all = [.. group.Parameters], once = [.. all.DistinctBy(TensorIdentity.Of)];
                if (once.Length == all.Length)
                    continue;
                groups.Add((group, group.Parameters));
                group.Parameters = once;
            }
            optimizer.step();
        }
        finally
        {
            foreach ((ParamGroup group, IEnumerable<Parameter> all) in groups)
                group.Parameters = all;
        }
    }

    private static IEnumerable<Parameter> Valid(OptimizerHelper helper) => helper.parameters().Where(parameter => !parameter.IsInvalid);

    private void WithGradients(Func<FlatParameter, bool> hasGradient, Action work)
    {
        // TorchSharp passes over parameters without a gradient. One that is frozen, or of another module, may have one from before.
        List<(Parameter Parameter, Tensor Gradient)> others = [];
        foreach (Parameter parameter in optimizer is OptimizerHelper helper ? Valid(helper) : [])
        {
            if (parameter.grad is { } gradient)
                others.Add((parameter, gradient));
        }
        try
        {
            foreach ((Parameter parameter, _) in others)
                parameter.grad = null;
            foreach (FlatParameter member in parameters.Members)
                member.Parameter.grad = hasGradient(member) ? member.GradientView : null;
            work();
        }
        finally
        {
            foreach (FlatParameter member in parameters.Members)
                member.Parameter.grad = null;
            foreach ((Parameter parameter, Tensor gradient) in others)
            {
                parameter.grad = gradient;
                gradient.Dispose();
            }
        }
    }

    public override void CheckCanSave() => _ = Helper;

    public override void Save(BinaryWriter writer) => CheckedBlock.Write(writer, Saved());

    /// <summary>
    /// TorchSharp reads into the optimiser at once; where what it reads does not fit, what was there before comes back.
    /// </summary>
    public override Action Load(BinaryReader reader, bool isChecked)
    {
        byte[] before = Saved();
        BinaryReader state = isChecked ? Reader(Checked(reader)) : reader;
        try
        {
            LoadInto(state);
        }
        catch (Exception e)
        {
            LoadInto(Reader(before));
            if (e is IOException)       // it ends early
                throw;
            // TorchSharp takes numbers for sizes, types and places as they are, and fails in many ways where they are wrong.
            throw new InvalidDataException($"The optimiser's state does not fit this optimiser, or is damaged: {e.Message}", e);
        }

        // Each group has a learning rate of its own.
        double[] learningRates = [.. optimizer.ParamGroups.Select(group => group.LearningRate)];
        return () =>
        {
            foreach ((optim.ILearningRateController group, double learningRate) in optimizer.ParamGroups.Zip(learningRates))
                group.LearningRate = learningRate;
        };
    }

    public override void Dispose()
    {
    }

    private byte[] Saved()
    {
        using var state = new MemoryStream();
        using var writer = new BinaryWriter(state, Encoding.UTF8, leaveOpen: true);
        try
        {
            Helper.save_state_dict(writer);
        }
        catch (IOException e)       // the stream is in memory
        {
            throw new NotSupportedException(
                $"The state of {Name} is larger than 2 GB, of which TorchSharp's optimisers cannot be saved. Use a BaseOptimizer.", e);
        }
        return state.ToArray();
    }

    private static BinaryReader Reader(byte[] state) => new(new MemoryStream(state, writable: false), Encoding.UTF8);

    private static byte[] Checked(BinaryReader reader)
    {
        try
        {
            return CheckedBlock.Read(reader, "optimiser");
        }
        catch (FormatException e)
        {
            throw new InvalidDataException(
                "The optimiser's state is damaged: the checksum or length of what TorchSharp saved is wrong. Copy or save it again.", e);
        }
    }

    // The moments that TorchSharp reads belong to whatever dispose scope is open, and must outlive it.
    private void LoadInto(BinaryReader reader)
    {
        using DisposeScope scope = NewDisposeScope();
        try
        {
            Helper.load_state_dict(reader);
        }
        finally
        {
            scope.Detach([.. scope.DisposablesView]);
        }
    }

    private OptimizerHelper Helper => optimizer as OptimizerHelper
        ?? throw new NotSupportedException($"The state of a {Name} cannot be saved: TorchSharp has no method for it.");
}
