namespace MLSharpness.Evidence;

/// <summary>One row of a CSV file: what it is of, and how its values are found.</summary>
/// <param name="Key">The values of the first columns, which name the run.</param>
/// <param name="Measure">Gives the other columns; numbers are written so that they can be read back exactly.</param>
internal sealed record Run(IReadOnlyList<string> Key, Func<IReadOnlyList<double>> Measure);
