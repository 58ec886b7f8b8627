using System.Globalization;

namespace DropInSample;

/// <summary>The options of this sample.</summary>
internal sealed record CommandLine(string Folder, bool ByPeople, bool HeadOnly, IReadOnlyList<int> Each, IReadOnlyList<int> Seeds)
{
    /// <summary>The options, or null where they cannot be understood or help was asked for (which is then on the console).</summary>
    public static CommandLine? Parse(string[] args)
    {
        var options = new CommandLine("", ByPeople: false, HeadOnly: false, [10, 20, 50, 100], [1, 2, 3]);
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--people":
                    options = options with { ByPeople = true };
                    break;
                case "--head-only":
                    options = options with { HeadOnly = true };
                    break;
                case "--each" when i + 1 < args.Length && Numbers(args[i + 1]) is int[] each:
                    options = options with { Each = each };
                    i++;
                    break;
                case "--seeds" when i + 1 < args.Length && Numbers(args[i + 1]) is int[] seeds:
                    options = options with { Seeds = seeds };
                    i++;
                    break;
                case string folder when options.Folder.Length == 0 && Directory.Exists(folder):
                    options = options with { Folder = folder };
                    break;
                default:
                    return Help();
            }
        }

        return options.Folder.Length > 0 ? options : Help();
    }

    private static int[]? Numbers(string text)
    {
        List<int> numbers = [];
        foreach (string part in text.Split(','))
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number == 0)
                return null;
            numbers.Add(number);
        }

        return [.. numbers];
    }

    private static CommandLine? Help()
    {
        Console.Error.WriteLine(
            """
            dotnet run -c Release --project docs/samples/DropIn -- <folder> [options]
              <folder>          one sub-folder of pictures for each class
              --head-only       train the head alone, in seconds: by default the whole network is tried after it, for minutes
              --each 10,20,50   pictures of each class to train on (default: 10,20,50,100; what a class is too small for is left out)
              --seeds 1,2,3     a drawing of pictures for each (default: 1,2,3)
              --people          take pictures in the order of their names, so that who is trained on is not tested on where files
                                are numbered person by person
            """);
        return null;
    }
}
