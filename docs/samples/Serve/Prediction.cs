namespace Serve;

/// <summary>What a model says of a picture.</summary>
/// <param name="Classes">All classes, the most probable first.</param>
/// <param name="Set">The classes that the picture may be of, where the model has prediction sets: none, one, or those that it would rather
/// not decide between.</param>
/// <param name="EmptyMeansSure">Whether a set without classes is a picture that the model is surest of, so that the first class is the
/// answer, as with adaptive sets; else none is likely enough.</param>
/// <param name="Coverage">How many of such sets have the right class in them, as it was asked for.</param>
/// <param name="Accepted">Whether the model is sure enough to decide, where it was taught to abstain.</param>
internal sealed record Prediction(
    IReadOnlyList<ClassProbability> Classes, IReadOnlyList<string>? Set, bool? EmptyMeansSure, double? Coverage, bool? Accepted);
