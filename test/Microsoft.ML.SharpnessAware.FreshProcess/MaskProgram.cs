using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Trains a network with dropout for an epoch, and writes the masks of its passes, a line each, into the file of its rank in a
/// folder: what processes print at once is mixed up.</summary>
internal static class MaskProgram
{
    public static void Run(string folder)
    {
        const string Name = "masks";
        List<string> masks = [];
        NetworkArchitecture.Register(Name, classes => new MaskedNetwork(classes, masks));
        using ProcessGroup group = ProcessGroup.Mpi();
        var mlContext = new MLContext(seed: 1);
        using (Fitted.Model(mlContext, Fitted.View(mlContext, Shapes.Pixels(36)), options =>
        {
            (options.Arch, options.Epoch, options.BatchSize, options.ValidationSetFraction) = (Name, 1, 12, null);
            options.ProcessGroup = group;
        }))
            File.WriteAllLines(Path.Combine(folder, $"{group.Rank}"), masks);
    }

    private sealed class MaskedNetwork : nn.Module<Tensor, Tensor>
    {
        private readonly Linear _layer;
        private readonly List<string> _masks;

        public MaskedNetwork(int classes, List<string> masks)
            : base(nameof(MaskedNetwork))
        {
            (_layer, _masks) = (nn.Linear(Shapes.Size * Shapes.Size, classes), masks);
            RegisterComponents();
        }

        public override Tensor forward(Tensor images)
        {
            if (training)
            {
                using Tensor mask = nn.functional.dropout(ones(64), 0.5, training: true);
                _masks.Add(string.Concat(mask.data<float>().Select(value => value > 0 ? '1' : '0')));
            }
            return _layer.call(images.flatten(1));
        }
    }
}
