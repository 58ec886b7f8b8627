namespace Microsoft.ML;

/// <summary>The extension methods by which ML.NET users reach this library.</summary>
public static class SharpnessAwareCatalog
{
}
