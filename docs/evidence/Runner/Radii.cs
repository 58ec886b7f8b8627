namespace MLSharpness.Evidence;

/// <summary>The radius ρ of each method.</summary>
internal sealed record Radii(double Sam, double Ssam, double Csam);
