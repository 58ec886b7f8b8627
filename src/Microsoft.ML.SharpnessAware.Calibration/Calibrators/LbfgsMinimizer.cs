using System.Numerics.Tensors;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// Minimises a smooth convex function of some thousand variables by limited-memory BFGS (Nocedal 1980) in double, with a backtracking
/// line search. Deterministic. The value never rises by more than rounding.
/// </summary>
internal static class LbfgsMinimizer
{
    /// <summary>Enough for every set of scores that was tried, by far; a fit that is not there yet is still better than none.</summary>
    public const int MaximumIterations = 1000;

    private const int History = 30;

    // Of many variables fewer steps are remembered: this many numbers, half a gigabyte.
    private const int MostRemembered = 1 << 26;
    private const int LeastHistory = 5;
    private const int MaximumBacktracks = 40;
    private const double SufficientDecrease = 1e-4;

    // The function is a mean log loss, of order 1: a gradient below the first is none, nor is there anything left to gain where the last
    // iterations together gained less than the second.
    private const double GradientTolerance = 1e-8;
    private const double GainTolerance = 1e-10;

    // Thousands of numbers creep on for hundreds of iterations, without a difference to any probability.
    private const int ManyVariables = 1000;
    private const double GainToleranceOfMany = 1e-7;
    private const int GainIterations = 10;
    private const double Rounding = 1e-14;

    /// <summary>A function's value; writes its gradient.</summary>
    public delegate double Objective(ReadOnlySpan<double> point, Span<double> gradient);

    /// <summary>Moves <paramref name="point"/> to the minimum.</summary>
    /// <param name="objective">The function.</param>
    /// <param name="point">Where to begin; receives the result.</param>
    /// <param name="checkAlive">Called once an iteration; throws to cancel.</param>
    /// <param name="unitGain">Ends, too, where half the square of the gradient is below: that is what is left to gain where the curvature
    /// is 1 in all directions, for a function whose variables are measured so.</param>
    /// <returns>Whether it got there, as far as a log loss can tell.</returns>
    public static bool Minimize(Objective objective, double[] point, Action checkAlive, double unitGain = 0)
    {
        int n = point.Length;
        double[] gradient = new double[n], direction = new double[n], trial = new double[n], trialGradient = new double[n];
        List<Pair> history = [];
        int most = Math.Clamp(MostRemembered / (2 * n), LeastHistory, History);
        double value = objective(point, gradient);

        Queue<double> lastValues = [];
        for (int iteration = 0; iteration < MaximumIterations; iteration++)
        {
            checkAlive();
            lastValues.Enqueue(value);
            bool gainsNothing = lastValues.Count > GainIterations
                && lastValues.Dequeue() - value < (n > ManyVariables ? GainToleranceOfMany : GainTolerance);
            if (gainsNothing || Largest(gradient) <= GradientTolerance || TensorPrimitives.SumOfSquares<double>(gradient) / 2 < unitGain)
                return true;

            Descend(gradient, history, direction);
            double slope = TensorPrimitives.Dot<double>(gradient, direction);
            double length = history.Count > 0 ? 1 : Math.Min(1, 1 / Largest(gradient));
            double trialValue = Try(length);
            for (int backtrack = 0; !IsLower(trialValue, length); backtrack++)
            {
                if (backtrack == MaximumBacktracks)
                    return true;        // rounding hides what is left
                length *= Shrinkage(length * slope, trialValue - value);
                trialValue = Try(length);
            }

            history.Add(Pair.Between(point, trial, gradient, trialGradient));
            if (!(history[^1].Product > 0))
                history.RemoveAt(history.Count - 1);        // no curvature that rounding does not hide
            else if (history.Count > most)
                history.RemoveAt(0);
            trial.CopyTo(point, 0);
            value = trialValue;
            (gradient, trialGradient) = (trialGradient, gradient);

            double Try(double step)
            {
                TensorPrimitives.MultiplyAdd(direction, step, point, trial);
                return objective(trial, trialGradient);
            }

            bool IsLower(double other, double step) => other <= value + SufficientDecrease * step * slope + Rounding * Math.Abs(value);
        }

        return false;
    }

    /// <summary>−H g, H being the inverse Hessian that the last steps suggest (the two-loop recursion).</summary>
    private static void Descend(ReadOnlySpan<double> gradient, List<Pair> history, Span<double> direction)
    {
        Span<double> weights = stackalloc double[History];
        TensorPrimitives.Negate(gradient, direction);
        for (int i = history.Count - 1; i >= 0; i--)
        {
            weights[i] = TensorPrimitives.Dot<double>(history[i].Step, direction) / history[i].Product;
            TensorPrimitives.MultiplyAdd(history[i].Change, -weights[i], direction, direction);
        }

        if (history.Count > 0)
        {
            double curvature = TensorPrimitives.SumOfSquares<double>(history[^1].Change) / history[^1].Product;
            TensorPrimitives.Divide(direction, curvature, direction);
        }

        for (int i = 0; i < history.Count; i++)
        {
            double weight = weights[i] - TensorPrimitives.Dot<double>(history[i].Change, direction) / history[i].Product;
            TensorPrimitives.MultiplyAdd(history[i].Step, weight, direction, direction);
        }
    }

    /// <summary>How much shorter the next step is: the minimum of the parabola through what is known, within bounds.</summary>
    private static double Shrinkage(double expected, double change)
    {
        double shrinkage = -expected / (2 * (change - expected));
        return shrinkage > 0.1 ? Math.Min(shrinkage, 0.5) : 0.1;    // also where the value overflowed
    }

    private static double Largest(ReadOnlySpan<double> values) => Math.Abs(TensorPrimitives.MaxMagnitude(values));

    /// <summary>A step, the change of the gradient along it, and their product.</summary>
    private readonly record struct Pair(double[] Step, double[] Change, double Product)
    {
        public static Pair Between(double[] from, double[] to, double[] gradientFrom, double[] gradientTo)
        {
            double[] step = new double[from.Length], change = new double[from.Length];
            TensorPrimitives.Subtract(to, from, step);
            TensorPrimitives.Subtract(gradientTo, gradientFrom, change);
            return new Pair(step, change, TensorPrimitives.Dot<double>(step, change));
        }
    }
}
