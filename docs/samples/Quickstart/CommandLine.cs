namespace Quickstart;

/// <summary>The options of this sample.</summary>
internal sealed record CommandLine(string? DataFolder, string OutputFolder, int Epochs, int? Images)
{
    private const int DefaultEpochs = 26, QuickEpochs = 3;

    /// <summary>The options, or null where they cannot be understood or help was asked for (which is then on the console).</summary>
    public static CommandLine? Parse(string[] args)
    {
        var options = new CommandLine(null, "out", DefaultEpochs, null);
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--quick":
                    options = options with { Epochs = QuickEpochs };
                    break;
                case "--data" when i + 1 < args.Length:
                    options = options with { DataFolder = args[++i] };
                    break;
                case "--out" when i + 1 < args.Length:
                    options = options with { OutputFolder = args[++i] };
                    break;
                case "--epochs" when i + 1 < args.Length && int.TryParse(args[i + 1], out int epochs) && epochs > 0:
                    options = options with { Epochs = epochs };
                    i++;
                    break;
                case "--images" when i + 1 < args.Length && int.TryParse(args[i + 1], out int images) && images > 0:
                    options = options with { Images = images };
                    i++;
                    break;
                default:
                    Console.Error.WriteLine(
                        $"""
                        dotnet run -c Release --project docs/samples/Quickstart -- [options]
                          --quick          {QuickEpochs} epochs instead of {DefaultEpochs}
                          --epochs <n>     that many epochs
                          --images <n>     train on n images (default: {ImageData.DefaultImages} of the 5000 beside this program,
                                           all of your own)
                          --data <folder>  your images: one sub-folder for each class, or the four IDX files of the MNIST family
                          --out <folder>   where the model and the pictures go (default: out)
                        """);
                    return null;
            }
        }
        return options;
    }
}
