namespace System.Runtime.CompilerServices;

/// <summary>Recognised by the runtime by its name: this assembly may use internal members of the named one. Saving, loading and mapping
/// rows need such members of ML.NET; build/PublicizedReferences.targets names their assemblies, to the compiler and here.</summary>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
{
    public string AssemblyName { get; } = assemblyName;
}
