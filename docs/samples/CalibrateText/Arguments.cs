using System.Globalization;

namespace CalibrateText;

/// <summary>The options of this sample.</summary>
/// <param name="Data">A file of texts; null for made-up ones.</param>
/// <param name="Epochs">Passes over the texts to train on.</param>
/// <param name="Rows">How many texts are made up.</param>
/// <param name="HasRandomEncoder">Random weights in place of the pretrained ones.</param>
/// <param name="OutputFolder">Where the model goes.</param>
internal sealed record Arguments(string? Data, int Epochs, int Rows, bool HasRandomEncoder, string OutputFolder)
{
    public const string Help =
        """
        dotnet run -c Release --project docs/samples/CalibrateText -- [options]
          --data <file>       texts to train on, a line each: label, tab, text; default: requests that the sample makes up
          --epochs <n>        default 10
          --rows <n>          how many requests it makes up; default 1200
          --random-encoder    random weights in place of the pretrained ones, which are downloaded (--out/mlnet): only to see that it runs
          --out <folder>      where the model goes; default out
        """;

    /// <exception cref="ArgumentException">An argument is not understood; the message names it.</exception>
    public static Arguments Parse(string[] args)
    {
        var options = new Arguments(Data: null, Epochs: 10, Rows: 1200, HasRandomEncoder: false, "out");
        for (int i = 0; i < args.Length; i++)
        {
            string name = args[i];
            options = name switch
            {
                "--data" => options with { Data = Value() },
                "--epochs" => options with { Epochs = Number(least: 1) },
                "--rows" => options with { Rows = Number(Requests.Fewest) },
                "--random-encoder" => options with { HasRandomEncoder = true },
                "--out" => options with { OutputFolder = Value() },
                _ => throw new ArgumentException($"There is no option '{name}'. --help shows those that there are."),
            };

            string Value() => ++i < args.Length ? args[i] : throw new ArgumentException($"{name} must be followed by its value.");

            int Number(int least) => Value() is var text &&
                int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least
                ? number : throw new ArgumentException($"{name} must be a whole number, at least {least}; it is '{text}'.");
        }

        return options;
    }
}
