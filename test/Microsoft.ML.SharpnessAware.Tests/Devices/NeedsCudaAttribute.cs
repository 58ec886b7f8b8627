namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Skips what cannot be seen on a CPU.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class NeedsCudaAttribute : ConditionBaseAttribute
{
    public NeedsCudaAttribute()
        : base(ConditionMode.Include) => IgnoreMessage = "skipped: no CUDA device";

    public override string GroupName => nameof(NeedsCudaAttribute);

    public override bool IsConditionMet => DeviceUnderTest.IsCuda;
}
