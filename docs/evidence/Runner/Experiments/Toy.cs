using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>SAM and SSAM on functions of two weights, where every step can be followed by hand.</summary>
/// <remarks>
/// The valley is f = ½(x² + 10 y²), the saddle f = ½(x² − y²), both with the climb of the paper's experiments, w + ρ∇f(w). On a quadratic
/// with eigenvalue λ SAM then multiplies a weight by 1 − ηλ(1 + ρλ), which is stable for ηλ(1 + ρλ) &lt; 2, and leaves a saddle's
/// direction λ = −1 only at the pace 1 + η(1 − ρ), not at all for ρ ≥ 1; SSAM's step has the length of plain gradient descent's.
/// </remarks>
internal sealed class Toy : Experiment
{
    private const int Steps = 120;

    private static readonly (string Name, double X, double Y, double LearningRate, double Rho, double A, double B)[] Problems =
    [
        ("valley", 2, 1, 0.17, 0.1, 1, 10),
        ("saddle", 1, 0.01, 0.1, 0.9, 1, -1),
    ];

    public override string Name => "toy";

    public override IReadOnlyList<Setting> DefaultSettings => [];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["problem", "method", "step"], ["x", "y", "f"]);
        laboratory.Do(file, Name,
            from problem in Problems
            from method in new[] { "gradient descent", "SAM", "SSAM" }
            from point in Trajectory(problem, method).Select((w, step) => (w.X, w.Y, step))
            select new Run(
                [problem.Name, method, point.step.ToString("D3")],
                () => [point.X, point.Y, 0.5 * (problem.A * point.X * point.X + problem.B * point.Y * point.Y)]), report: false);
    }

    private static IEnumerable<(double X, double Y)> Trajectory(
        (string Name, double X, double Y, double LearningRate, double Rho, double A, double B) p, string method)
    {
        (double x, double y) = (p.X, p.Y);
        double rho = method == "gradient descent" ? 0 : p.Rho;
        for (int step = 0; step <= Steps; step++)
        {
            yield return (x, y);
            (double gx, double gy) = (p.A * x, p.B * y);
            (double hx, double hy) = (p.A * (x + rho * gx), p.B * (y + rho * gy));
            double scale = method == "SSAM" ? Math.Sqrt((gx * gx + gy * gy) / (hx * hx + hy * hy)) : 1;
            (x, y) = (x - p.LearningRate * scale * hx, y - p.LearningRate * scale * hy);
        }
    }
}
