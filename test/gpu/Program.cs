using System.CommandLine;
using System.Globalization;
using System.Text;
using Microsoft.ML.SharpnessAware.Gpu;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Console.OutputEncoding = Encoding.UTF8;

Option<string> python = new("--python")
{
    Description = "The Python that has PyTorch 2.10 or 2.11.",
    DefaultValueFactory = _ => "python3",
};
Option<string?> libtorch = new("--libtorch")
{
    Description = "A folder with libtorch.so in place of PyTorch's; steps are compared with PyTorch where --python is given, too.",
};
Option<bool> cpu = new("--cpu") { Description = "A trial of this package on the CPU, at small sizes." };
Option<string?> only = new("--only") { Description = "tests or benchmarks." };
only.AcceptOnlyFromAmong("tests", "benchmarks");
Option<bool> quick = new("--quick") { Description = "Fewer rounds, beside eager PyTorch only: one and a half minutes where it is five." };

RootCommand root = new("""
    Tests and benchmarks of MLSharpness on a GPU, on the libtorch of a Python that has PyTorch.
    Exit codes: 0 all is well, 1 a test failed, 2 it cannot begin.
    """)
{ python, libtorch, cpu, only, quick };
root.SetAction((parsed, _) => Check.Run(
    python: parsed.GetResult(libtorch) is { Implicit: false } && parsed.GetResult(python) is not { Implicit: false }
        ? null
        : parsed.GetValue(python),
    libtorch: parsed.GetValue(libtorch),
    onCpu: parsed.GetValue(cpu),
    tests: parsed.GetValue(only) != "benchmarks",
    benchmarks: parsed.GetValue(only) != "tests",
    quick: parsed.GetValue(quick)));
// Nothing is left half done by Ctrl+C, which ends the process at once where nobody listens to it.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
