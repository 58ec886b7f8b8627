using System.Reflection;
using System.Reflection.Emit;
using TorchSharp;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class ConstantTests
{
    /// <summary>
    /// A number turned into a Scalar by the way has no owner, and the collector may free it while libtorch reads it. AModelIsNotCollected…
    /// of DisposalTests found that in one of some thousand predictions.
    /// </summary>
    [TestMethod]
    public void NoNumberIsTurnedIntoAScalarThatNobodyHolds()
    {
        Module module = typeof(Constant).Module;
        const BindingFlags Own = BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;
        List<string> conversions = [];
        foreach (MethodBase method in module.GetTypes().SelectMany(type => type.GetMethods(Own).Concat<MethodBase>(type.GetConstructors(Own))))
        {
            byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
            for (int i = 0; i + 4 < code.Length; i++)
            {
                if (code[i] == OpCodes.Call.Value && IsConversion(BitConverter.ToInt32(code, i + 1)))
                    conversions.Add($"{method.DeclaringType}.{method.Name}");
            }
        }
        Assert.IsEmpty(conversions, string.Join(", ", conversions));

        // What looks like a token by chance is of another table, or of no row.
        bool IsConversion(int token)
        {
            try
            {
                return token >> 24 == 0x0A && module.ResolveMethod(token) is { Name: "op_Implicit" } called && called.DeclaringType == typeof(Scalar);
            }
            catch (ArgumentException)
            {
                return false;
            }
        }
    }

    [TestMethod]
    public void TheSameNumberIsTheSameScalar()
    {
        Assert.AreSame(Constant.Of(0.5), Constant.Of(0.5));
        Assert.AreSame(Constant.Of(7), Constant.Of(7L));
        Assert.AreEqual(torch.ScalarType.Int64, Constant.Of(7).Type);
        Assert.AreEqual(torch.ScalarType.Float64, Constant.Of(7.0).Type);
    }
}
