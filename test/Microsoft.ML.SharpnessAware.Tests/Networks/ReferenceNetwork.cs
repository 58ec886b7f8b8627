using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// The networks once more, written from the papers' formulas on plain tensors: nothing in place, weights by name, training mode.
/// </summary>
internal sealed class ReferenceNetwork(IReadOnlyDictionary<string, Tensor> weights)
{
    internal Tensor Forward(string architecture, Tensor images) => architecture switch
    {
        NetworkArchitecture.ResNet8 => CifarResNet(images, 1),
        NetworkArchitecture.ResNet20 => CifarResNet(images, 3),
        NetworkArchitecture.ResNet18 => ResNet(images, [2, 2, 2, 2]),
        NetworkArchitecture.ResNet50 => ResNet(images, [3, 4, 6, 3]),
        NetworkArchitecture.WideResNet28x10 => WideResNet(images),
        NetworkArchitecture.ConvNet => ConvNet(images),
        NetworkArchitecture.VitTiny => VisionTransformer(images, heads: 3),
        _ => throw new ArgumentException(architecture),
    };

    private Tensor CifarResNet(Tensor x, int blocks)
    {
        x = BatchNorm("bn1", Convolution("conv1", x)).relu();
        for (int stage = 1; stage <= 3; stage++)
        {
            for (int block = 0; block < blocks; block++)
            {
                Tensor shortcut = x;
                bool halve = stage > 1 && block == 0;
                if (halve)
                {
                    Tensor half = x[.., .., TensorIndex.Slice(step: 2), TensorIndex.Slice(step: 2)];
                    Tensor zeros = zeros_like(half).narrow(1, 0, half.shape[1] / 2);
                    shortcut = cat([zeros, half, zeros], 1);
                }

                x = BasicBlock($"layer{stage}.{block}.", x, shortcut, halve ? 2 : 1);
            }
        }

        return Linear("fc", AveragePool(x));
    }

    private Tensor ResNet(Tensor x, int[] blocks)
    {
        x = BatchNorm("bn1", Convolution("conv1", x, 2)).relu();
        x = nn.functional.max_pool2d(x, kernel_size: 3, stride: 2, padding: 1);
        for (int stage = 1; stage <= 4; stage++)
        {
            for (int block = 0; block < blocks[stage - 1]; block++)
            {
                string name = $"layer{stage}.{block}.";
                int stride = stage > 1 && block == 0 ? 2 : 1;
                Tensor shortcut = weights.ContainsKey(name + "downsample.0.weight")
                    ? BatchNorm(name + "downsample.1", Convolution(name + "downsample.0", x, stride))
                    : x;
                x = weights.ContainsKey(name + "conv3.weight")
                    ? Bottleneck(name, x, shortcut, stride)
                    : BasicBlock(name, x, shortcut, stride);
            }
        }

        return Linear("fc", AveragePool(x));
    }

    private Tensor BasicBlock(string name, Tensor x, Tensor shortcut, int stride)
    {
        Tensor inner = BatchNorm(name + "bn1", Convolution(name + "conv1", x, stride)).relu();
        return (BatchNorm(name + "bn2", Convolution(name + "conv2", inner)) + shortcut).relu();
    }

    private Tensor Bottleneck(string name, Tensor x, Tensor shortcut, int stride)
    {
        Tensor inner = BatchNorm(name + "bn1", Convolution(name + "conv1", x)).relu();
        inner = BatchNorm(name + "bn2", Convolution(name + "conv2", inner, stride)).relu();
        return (BatchNorm(name + "bn3", Convolution(name + "conv3", inner)) + shortcut).relu();
    }

    private Tensor WideResNet(Tensor x)
    {
        x = Convolution("conv1", x);
        for (int stage = 1; stage <= 3; stage++)
        {
            for (int block = 0; block < 4; block++)
            {
                string name = $"block{stage}.layer.{block}.";
                int stride = stage > 1 && block == 0 ? 2 : 1;
                Tensor active = BatchNorm(name + "bn1", x).relu();
                Tensor inner = Convolution(name + "conv1", active, stride);
                inner = Convolution(name + "conv2", BatchNorm(name + "bn2", inner).relu());
                x = inner + (block == 0 ? Convolution(name + "convShortcut", active, stride) : x);
            }
        }

        return Linear("fc", AveragePool(BatchNorm("bn1", x).relu()));
    }

    private Tensor ConvNet(Tensor x)
    {
        x = nn.functional.max_pool2d(BatchNorm("bn1", Convolution("conv1", x)).relu(), kernel_size: 2);
        x = nn.functional.max_pool2d(BatchNorm("bn2", Convolution("conv2", x)).relu(), kernel_size: 2);
        return Linear("fc", AveragePool(BatchNorm("bn3", Convolution("conv3", x)).relu()));
    }

    private Tensor VisionTransformer(Tensor images, int heads)
    {
        Tensor patchWeight = weights["patch_embed.proj.weight"];
        long width = patchWeight.shape[0], patch = patchWeight.shape[2], batch = images.shape[0];
        // Each patch as a row of pixels times the embedding matrix, instead of a strided convolution.
        Tensor rows = images.unfold(2, patch, patch).unfold(3, patch, patch).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2);
        Tensor tokens = rows.matmul(patchWeight.flatten(1).t()) + weights["patch_embed.proj.bias"];
        Tensor x = cat([weights["cls_token"].repeat(batch, 1, 1), tokens], 1) + weights["pos_embed"];
        for (int block = 0; block < 12; block++)
        {
            string name = $"blocks.{block}.";
            Tensor qkv = Linear(name + "attn.qkv", LayerNorm(name + "norm1", x));
            var attended = new List<Tensor>();
            for (int head = 0; head < heads; head++)
            {
                long size = width / heads;
                Tensor q = qkv.narrow(2, head * size, size), k = qkv.narrow(2, width + head * size, size);
                Tensor v = qkv.narrow(2, 2 * width + head * size, size);
                attended.Add((q.matmul(k.transpose(1, 2)) / Math.Sqrt(size)).softmax(2).matmul(v));
            }

            x = x + Linear(name + "attn.proj", cat(attended, 2));
            Tensor hidden = Linear(name + "mlp.fc1", LayerNorm(name + "norm2", x));
            hidden = hidden * 0.5 * (1 + (hidden / Math.Sqrt(2)).erf());
            x = x + Linear(name + "mlp.fc2", hidden);
        }

        return Linear("head", LayerNorm("norm", x).select(1, 0));
    }

    private Tensor Convolution(string name, Tensor x, int stride = 1)
    {
        Tensor weight = weights[name + ".weight"];
        long padding = weight.shape[2] / 2;
        return nn.functional.conv2d(x, weight, strides: [stride, stride], padding: [padding, padding]);
    }

    private Tensor BatchNorm(string name, Tensor x)
    {
        Tensor centred = x - x.mean([0, 2, 3], keepdim: true);
        Tensor variance = centred.square().mean([0, 2, 3], keepdim: true);
        return centred / (variance + 1e-5).sqrt() * Channels("weight") + Channels("bias");

        Tensor Channels(string part) => weights[$"{name}.{part}"].view(1, -1, 1, 1);
    }

    private Tensor LayerNorm(string name, Tensor x)
    {
        Tensor centred = x - x.mean([-1], keepdim: true);
        Tensor variance = centred.square().mean([-1], keepdim: true);
        return centred / (variance + 1e-6).sqrt() * weights[name + ".weight"] + weights[name + ".bias"];
    }

    private Tensor Linear(string name, Tensor x) => x.matmul(weights[name + ".weight"].t()) + weights[name + ".bias"];

    private static Tensor AveragePool(Tensor x) => x.flatten(2).mean([2]);
}
