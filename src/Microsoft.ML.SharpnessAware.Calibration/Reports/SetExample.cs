namespace Microsoft.ML.SharpnessAware;

/// <summary>A prediction set shown in a report, with the names of its classes, and the image and path of its row where the data has
/// them.</summary>
internal sealed record SetExample(LargeSet Set, string TrueClass, IReadOnlyList<string> Classes, string? Path, Thumbnail? Image);
