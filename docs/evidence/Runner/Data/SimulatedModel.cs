using System.Globalization;

namespace MLSharpness.Evidence.Data;

/// <summary>A model whose best temperature is known: labels are drawn from softmax(u), and the model says softmax(T u).</summary>
/// <param name="Classes">The number of classes.</param>
/// <param name="Spread">The standard deviation of u; the larger, the more often the model is right.</param>
/// <param name="Temperature">T, above 1 overconfident.</param>
/// <param name="WrongLabels">The share of rows whose label is any class: what makes a network that is often right wrong by much.</param>
internal sealed record SimulatedModel(int Classes, double Spread, double Temperature, double WrongLabels)
{
    /// <summary>Two, ten and a hundred classes; too sure, right, and not sure enough; with and without wrong labels.</summary>
    public static IReadOnlyList<SimulatedModel> All { get; } =
    [
        .. from shape in new (int Classes, double Spread)[] { (2, 3), (10, 3), (10, 6), (100, 5) }
           from temperature in new[] { 0.5, 0.8, 1, 1.3, 2, 3 }
           from wrong in new[] { 0, 0.03 }
           select new SimulatedModel(shape.Classes, shape.Spread, temperature, wrong),
    ];

    public string Name => string.Create(CultureInfo.InvariantCulture,
        $"simulated {Classes} classes spread {Spread} T {Temperature} wrong {WrongLabels}");

    public ScoreSplit Draw(int rows, int seed) => new(Name, Draw(rows, new Random(seed)), Draw(rows, new Random(-seed)));

    private ScoreSet Draw(int rows, Random random)
    {
        float[] probabilities = new float[rows * Classes];
        int[] labels = new int[rows];
        double[] u = new double[Classes];
        for (int row = 0; row < rows; row++)
        {
            double margin = Spread * (0.2 + 1.6 * random.NextDouble());     // some rows are hard, some easy
            for (int k = 0; k < Classes; k++)
                u[k] = margin * Normal(random);
            double[] truth = Softmax(u, 1), says = Softmax(u, Temperature);
            double left = random.NextDouble();
            while (labels[row] < Classes - 1 && (left -= truth[labels[row]]) > 0)
                labels[row]++;
            if (random.NextDouble() < WrongLabels)
                labels[row] = random.Next(Classes);
            for (int k = 0; k < Classes; k++)
                probabilities[row * Classes + k] = (float)says[k];
        }
        return new(probabilities, labels, Classes);
    }

    private static double[] Softmax(double[] u, double factor)
    {
        double largest = u.Max();
        double[] powers = Array.ConvertAll(u, value => Math.Exp(factor * (value - largest)));
        double sum = powers.Sum();
        return Array.ConvertAll(powers, power => power / sum);
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
