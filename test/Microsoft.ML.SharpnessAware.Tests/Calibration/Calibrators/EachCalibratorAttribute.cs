using System.Reflection;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Runs a test with each kind of calibrator, whose name <see cref="CalibratorFits"/> knows.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class EachCalibratorAttribute : Attribute, ITestDataSource
{
    public IEnumerable<object?[]> GetData(MethodInfo methodInfo) => CalibratorFits.Kinds.Select(kind => (object?[])[kind]);

    public string GetDisplayName(MethodInfo methodInfo, object?[]? data) => $"{methodInfo.Name} ({data?[0]})";
}
