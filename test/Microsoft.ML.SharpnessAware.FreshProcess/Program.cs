using System.Globalization;
using Microsoft.ML.SharpnessAware.Tests;

// score <model file>: prints the scores that the model gives twenty images.
// train <checkpoint> <weights file>: trains with that checkpoint and writes the weights, unless it is killed before.
// live <rounds> <dispose>: trains, scores, predicts, saves and loads that often, disposing of each model or not; prints how many tensors,
//   kilobytes and transformers there are more, and how many kilobytes there were before.
// assets <folder>: writes the files that later versions must be able to read.
// memory <workspace folder>: trains on many pixels, with and without the cache, and prints by how much memory grew.
// group <what> <arguments>: one process of a group, see GroupProgram.
// files <folder>: trains, writes weights and ONNX and starts from those weights, with reflection turned off for JSON.
// both <folder>: trains ML.NET's text classifier and an image classifier in one process; prints what was compared, a line each.
try
{
    switch (args)
    {
        case ["score", string model]:
            ScoreProgram.Run(model);
            return 0;
        case ["train", string checkpoint, string weights]:
            TrainProgram.Run(checkpoint, weights);
            return 0;
        case ["live", string rounds, string dispose]:
            LiveProgram.Run(int.Parse(rounds, CultureInfo.InvariantCulture), bool.Parse(dispose));
            return 0;
        case ["assets", string folder]:
            CompatibilityAssets.Write(folder);
            return 0;
        case ["memory", string workspace]:
            MemoryProgram.Run(workspace);
            return 0;
        case ["group", string what, .. string[] arguments]:
            return GroupProgram.Run(what, arguments);
        case ["files", string folder]:
            FilesProgram.Run(folder);
            return 0;
        case ["both", string folder]:
            BothProgram.Run(folder);
            return 0;
        default:
            Console.Error.WriteLine(
                "score <model> | train <checkpoint> <weights> | live <rounds> <dispose> | assets <folder> | memory <workspace> | " +
                "group <what> <arguments> | files <folder> | both <folder>");
            return 1;
    }
}
catch (Exception e)
{
    for (Exception? inner = e; inner is not null; inner = inner.InnerException)
        Console.Error.WriteLine($"{inner.GetType().Name}: {inner.Message}");
    return 2;
}
