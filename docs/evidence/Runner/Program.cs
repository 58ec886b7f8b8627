using System.CommandLine;
using System.Globalization;
using System.Text;
using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence;
using MLSharpness.Evidence.Experiments;
using MLSharpness.Evidence.Summary;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Console.OutputEncoding = Encoding.UTF8;

Experiment[] experiments =
[
    new Calibration(), new Stability(), new Toy(), new Noise(), new SmallData(), new Combinations(), new Corruptions(), new Sharpness(),
        new Temperature(),
    new Cheaper(), new Averaging(), new Calibrators(), new MLSharpness.Evidence.Experiments.EarlyStopping(), new FineTuningKinds(),
    new FineTuningDefaults(), new ModelSoups(), new FineTuningRivals(), new FineTuningMethods(),
    new LearntUntilTheEnd(), new StabilityGrid(), new OutOfDistribution(),
];

var experiment = new Argument<string>("experiment")
{
    Description = $"{string.Join(", ", experiments.Select(e => e.Name))}; all: one after the other; summary: makes docs/evidence.md and " +
        "its figures of the results.",
};
var seeds = new Option<int>("--seeds") { Description = "Trainings of each method.", DefaultValueFactory = _ => 5 };
var smoke = new Option<bool>("--smoke") { Description = "A size of seconds that shows that the experiment works; results go to a folder " +
    "of their own." };
var settings = new Option<string[]>("--settings")
{
    Description = $"Which data and network; default: those of the experiment. Known: {string.Join(", ", Setting.All.Select(s => s.Name))}.",
    AllowMultipleArgumentsPerToken = true,
};
var data = new Option<string>("--data")
{
    Description = "Folder with fashion-mnist, sign-language-digits and cifar10 (or cifar10-lossless-subset) below it.",
    DefaultValueFactory = _ => "data",
};
var results = new Option<string>("--results") { Description = "Where the CSV files are.", DefaultValueFactory = _ =>
    Path.Combine("docs", "evidence", "results") };
var models = new Option<string>("--models")
{
    Description = "Where trained networks are kept, for the experiments that use them again.",
    DefaultValueFactory = _ => Path.Combine("artifacts", "evidence"),
};
var threads = new Option<int>("--threads")
{
    Description = "Trainings at the same time, each on one thread: the results do not depend on it.", DefaultValueFactory = _ =>
        Environment.ProcessorCount,
};
var part = new Option<string>("--part")
{
    Description = "2/8: every eighth training beginning with the second, for eight processes, each with --results of its own whose rows " +
        "are put together afterwards.",
    DefaultValueFactory = _ => "1/1",
};
part.Validators.Add(result =>
{
    if (Part(result.GetValueOrDefault<string>()) is not { } given || given.Number < 1 || given.Number > given.Of)
        result.AddError("--part is a number, / and how many parts there are: 2/8.");
});
var device = new Option<string?>("--device") { Description = "For example cuda:0; default: a GPU where there is one." };

var root = new RootCommand("Measures what SAM, SSAM and CSAM do to accuracy and calibration. What is in the CSV files already is not " +
    "done again.")
{
    experiment, seeds, smoke, settings, data, results, models, threads, part, device,
};
root.SetAction((parsed, cancellation) => Task.Run(() =>
{
    AllocatorTuning.KeepFreedMemory();
    TorchSharp.torch.set_num_threads(1);
    string name = parsed.GetValue(experiment)!;
    string tables = parsed.GetValue(results)!, docs = Path.Combine("docs", "evidence");
    if (name == "summary")
    {
        new EvidencePage(tables, Path.Combine(docs, "figures"))
            .Write(Path.Combine(docs, "evidence.template.md"), Path.Combine("docs", "evidence.md"));
        return 0;
    }

    Experiment[] chosen = name == "all" ? experiments : [.. experiments.Where(e => e.Name == name)];
    if (chosen.Length == 0)
    {
        Console.Error.WriteLine($"There is no experiment '{name}'. Known: {string.Join(", ", experiments.Select(e => e.Name))}, all.");
        return 1;
    }

    bool isSmoke = parsed.GetValue(smoke);
    using var laboratory = new Laboratory(
        parsed.GetValue(data)!,
        isSmoke ? Path.Combine(parsed.GetValue(models)!, "smoke") : tables,
        isSmoke ? Path.Combine(parsed.GetValue(models)!, "smoke", "models") : parsed.GetValue(models)!,
        isSmoke, isSmoke ? Math.Min(2, parsed.GetValue(seeds)) : parsed.GetValue(seeds), parsed.GetValue(threads), parsed.GetValue(device),
        cancellation)
    {
        Part = Part(parsed.GetValue(part)!)!.Value,
    };
    string[] names = parsed.GetValue(settings) ?? [];
    foreach (Experiment each in chosen)
        each.Run(laboratory,
            names.Length > 0 ? [.. names.Select(Setting.Named)] : isSmoke ? [.. each.DefaultSettings.Take(1)] : each.DefaultSettings);
    return 0;
}));
return await root.Parse(args).InvokeAsync(
    new InvocationConfiguration { ProcessTerminationTimeout = null }, MLSharpness.Cli.StopSignals.Listen(Console.Error));

static (int Number, int Of)? Part(string? text) =>
    text?.Split('/') is [string number, string of] && int.TryParse(number, out int n) && int.TryParse(of, out int parts)
        ? (n, parts) : null;
