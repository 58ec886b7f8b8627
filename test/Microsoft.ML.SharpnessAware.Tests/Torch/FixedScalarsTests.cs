using System.Reflection;
using System.Reflection.Emit;
using TorchSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class FixedScalarsTests
{
    private const BindingFlags Own =
        BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;

    [TestMethod]
    public void WholeNumbersStayWhole()
    {
        Assert.AreEqual(torch.ScalarType.Int64, FixedScalars.One.Type);
        Assert.AreEqual(torch.ScalarType.Float64, FixedScalars.Half.Type);
        Assert.AreEqual(255, FixedScalars.LargestByte.ToInt32());
        Assert.AreEqual(0.5, FixedScalars.Half.ToDouble());
    }

    [TestMethod]
    public void SumsAreThoseOfTheOperators()
    {
        using torch.Tensor a = torch.tensor(new[] { 0.1f, -2f, float.NaN }), b = torch.tensor(new[] { 0.7f, 1e-9f, 1f });
        using torch.Tensor sum = a.Plus(b), more = a.Plus(FixedScalars.Half), less = FixedScalars.Two.Minus(a);
        CollectionAssert.AreEqual(new[] { 0.1f + 0.7f, -2f + 1e-9f, float.NaN }, sum.data<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 0.1f + 0.5f, -1.5f, float.NaN }, more.data<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 2f - 0.1f, 4f, float.NaN }, less.data<float>().ToArray());
    }

    /// <summary>
    /// A number turned into a Scalar by the way has no owner, and the collector may free it while libtorch reads it. AModelIsNotCollected…
    /// of DisposalTests found that in one of some thousand predictions.
    /// </summary>
    [TestMethod]
    public void NoNumberIsTurnedIntoAScalarThatNobodyHolds()
    {
        HashSet<MethodBase> hazards = Hazards();
        IEnumerable<string> Wrong(MethodBase method) =>
            Called(method).Where(hazards.Contains).Select(called => $"{method.DeclaringType}.{method.Name}: {called}");
        string[] calls = [.. Methods(typeof(FixedScalars).Module.GetTypes()).SelectMany(Wrong)];
        Assert.IsEmpty(calls, string.Join(Environment.NewLine, calls));
    }

    /// <summary>The analyser forbids what BannedSymbols.txt lists, and nothing else: a later TorchSharp may have more.</summary>
    [TestMethod]
    public void EveryWayToAScalarThatNobodyHoldsIsBanned()
    {
        string file = Path.Combine(Repository.Root, "build", "BannedSymbols.txt");
        string[] banned = [.. File.ReadLines(file).Select(line => line.Split(';')[0])];
        string[] missing =
            [.. Hazards().Where(method => method.IsPublic).Select(DocumentationId).Except(banned).Order(StringComparer.Ordinal)];
        Assert.IsEmpty(missing, string.Join(Environment.NewLine, missing));
    }

    /// <summary>Layers of TorchSharp have such numbers, too: batch norm, and many activations.</summary>
    [TestMethod]
    public void NoLayerOfOurNetworksHasOne()
    {
        HashSet<MethodBase> hazards = Hazards(typeof(TorchSharp.Modules.BatchNorm), typeof(TorchSharp.Modules.LeakyReLU));
        Assert.IsTrue(HasOne(typeof(TorchSharp.Modules.BatchNorm2d)) && HasOne(typeof(TorchSharp.Modules.LeakyReLU)), "not seen at all");
        foreach (string name in (string[])[
            NetworkArchitecture.ConvNet, NetworkArchitecture.ResNet8, NetworkArchitecture.WideResNet28x10, NetworkArchitecture.ResNet18,
            NetworkArchitecture.ResNet50, NetworkArchitecture.VitTiny])
        {
            using torch.nn.Module<torch.Tensor, torch.Tensor> network = NetworkArchitecture.Create(name, 4, new(3, 64, 64));
            string[] wrong = [.. network.modules().Select(layer => layer.GetType()).Distinct().Where(HasOne).Select(type => type.Name)];
            Assert.IsEmpty(wrong, $"{name}: {string.Join(", ", wrong)}");
        }

        bool HasOne(Type layer) => layer.GetMethod("forward", [typeof(torch.Tensor)]) is { } forward && hazards.Contains(
            forward.DeclaringType!.GetMethod("forward", Own, [typeof(torch.Tensor)])!);
    }

    /// <summary>The conversions to Scalar, and what calls them inside TorchSharp's arithmetic and the types named.</summary>
    private static HashSet<MethodBase> Hazards(params Type[] others)
    {
        Type[] arithmetic =
        [
            typeof(torch), typeof(torch.Tensor), typeof(torch.nn.functional), typeof(torch.special), typeof(TensorExtensionMethods),
            .. others,
        ];
        HashSet<MethodBase> hazards = [.. typeof(Scalar).GetMethods().Where(method => method.Name == "op_Implicit")];
        Dictionary<MethodBase, MethodBase[]> calls = Methods(arithmetic).ToDictionary(method => method, method => Called(method).ToArray());
        while (calls.Where(call => !hazards.Contains(call.Key) && call.Value.Any(hazards.Contains)).Select(call => call.Key).ToArray()
            is { Length: > 0 } more)
        {
            hazards.UnionWith(more);
        }
        return hazards;
    }

    private static IEnumerable<MethodBase> Methods(IEnumerable<Type> types) =>
        types.SelectMany(type => type.GetMethods(Own).Concat<MethodBase>(type.GetConstructors(Own)));

    /// <summary>The methods that a method calls, generic ones left out.</summary>
    private static IEnumerable<MethodBase> Called(MethodBase method)
    {
        byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        for (int i = 0; i + 4 < code.Length; i++)
        {
            if ((code[i] == OpCodes.Call.Value || code[i] == OpCodes.Callvirt.Value)
                && Resolve(method.Module, BitConverter.ToInt32(code, i + 1)) is { } called)
                yield return called;
        }
    }

    // What looks like a token by chance is of another table, or of no row.
    private static MethodBase? Resolve(Module module, int token)
    {
        if (token >> 24 is not (0x06 or 0x0A))
            return null;
        try
        {
            return module.ResolveMethod(token);
        }
        catch (Exception e) when (e is ArgumentException or BadImageFormatException)
        {
            return null;
        }
    }

    private static string DocumentationId(MethodBase method)
    {
        string parameters = string.Join(",", method.GetParameters().Select(parameter => TypeId(parameter.ParameterType)));
        string result = method is MethodInfo { Name: "op_Implicit" } conversion ? $"~{TypeId(conversion.ReturnType)}" : "";
        return $"M:{TypeId(method.DeclaringType!)}.{method.Name}{(parameters.Length > 0 ? $"({parameters})" : "")}{result}";
    }

    private static string TypeId(Type type)
    {
        if (type.IsByRef || type.IsArray)
            return TypeId(type.GetElementType()!) + (type.IsByRef ? "@" : "[]");
        string prefix = type.IsNested ? TypeId(type.DeclaringType!) : type.Namespace!;
        string name = type.Name.Split('`')[0];
        return $"{prefix}.{name}{(type.IsGenericType ? $"{{{string.Join(",", type.GetGenericArguments().Select(TypeId))}}}" : "")}";
    }
}
