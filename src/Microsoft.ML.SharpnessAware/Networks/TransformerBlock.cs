using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

/// <summary>
/// The pre-norm transformer encoder block of the vision transformer (Dosovitskiy et al. 2021, eqs. 2 and 3): x + attention(norm(x)), then
/// x + mlp(norm(x)). Tokens are [batch, tokens, width].
/// </summary>
internal sealed class TransformerBlock : nn.Module<Tensor, Tensor>, IOnnxNetwork
{
    [ComponentName(Name = "norm1")] private readonly LayerNorm _norm1;
    [ComponentName(Name = "attn")] private readonly Attention _attention;
    [ComponentName(Name = "norm2")] private readonly LayerNorm _norm2;
    [ComponentName(Name = "mlp")] private readonly Mlp _mlp;

    internal TransformerBlock(int width, int heads, double normEpsilon)
        : base(nameof(TransformerBlock))
    {
        _norm1 = nn.LayerNorm(width, normEpsilon);
        _attention = new Attention(width, heads);
        _norm2 = nn.LayerNorm(width, normEpsilon);
        _mlp = new Mlp(width, 4 * width);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using Tensor attention = _norm1.call(input).Then(_attention);
        using Tensor attended = input.Plus(attention);
        using Tensor change = _norm2.call(attended).Then(_mlp);
        return attended.Plus(change);
    }

    public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
    {
        OnnxValue attended = graph.Add(input, graph.Layer(_attention, graph.Layer(_norm1, input)));
        return graph.Add(attended, graph.Layer(_mlp, graph.Layer(_norm2, attended)));
    }

    private sealed class Attention : nn.Module<Tensor, Tensor>, IOnnxNetwork
    {
        [ComponentName(Name = "qkv")] private readonly Linear _qkv;
        [ComponentName(Name = "proj")] private readonly Linear _projection;
        private readonly int _heads;

        internal Attention(int width, int heads)
            : base(nameof(Attention))
        {
            _qkv = nn.Linear(width, 3 * width);
            _projection = nn.Linear(width, width);
            _heads = heads;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            long batch = input.shape[0], tokens = input.shape[1], width = input.shape[2];
            return _qkv.call(input)
                .Then(x => x.view(batch, tokens, 3, _heads, width / _heads))
                .Then(static x => x.permute(2, 0, 3, 1, 4))
                .Then(Attend)
                .Then(static x => x.transpose(1, 2))
                .Then(x => x.reshape(batch, tokens, width))
                .Then(_projection);
        }

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input)
        {
            long width = _projection.in_features, headWidth = width / _heads;
            OnnxValue split = graph.Reshape(graph.Layer(_qkv, input), 0, 0, 3, _heads, headWidth);
            OnnxValue packed = graph.Transpose(split, 2, 0, 3, 1, 4);
            OnnxValue queries = graph.Select(packed, 0, 0), keys = graph.Select(packed, 0, 1), values = graph.Select(packed, 0, 2);
            OnnxValue products = graph.Operator("MatMul", [queries, graph.Transpose(keys, 0, 1, 3, 2)]);
            OnnxValue scaled = graph.Operator("Mul", [products, graph.Constant(1 / MathF.Sqrt(headWidth))]);
            OnnxValue attention = graph.Operator("Softmax", [scaled], ("axis", -1L));
            OnnxValue heads = graph.Transpose(graph.Operator("MatMul", [attention, values]), 0, 2, 1, 3);
            return graph.Layer(_projection, graph.Reshape(heads, 0, 0, width));
        }

        /// <summary>[queries keys values, batch, heads, tokens, width per head] to [batch, heads, tokens, width per head].</summary>
        private static Tensor Attend(Tensor packed)
        {
            Tensor[] parts = packed.unbind(0);
            using Tensor queries = parts[0], keys = parts[1], values = parts[2];
            return nn.functional.scaled_dot_product_attention(queries, keys, values);
        }
    }

    private sealed class Mlp : nn.Module<Tensor, Tensor>, IOnnxNetwork
    {
        [ComponentName(Name = "fc1")] private readonly Linear _fc1;
        [ComponentName(Name = "fc2")] private readonly Linear _fc2;

        internal Mlp(int width, int hiddenWidth)
            : base(nameof(Mlp))
        {
            _fc1 = nn.Linear(width, hiddenWidth);
            _fc2 = nn.Linear(hiddenWidth, width);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _fc1.call(input).Then(nn.functional.gelu).Then(_fc2);

        public OnnxValue Describe(OnnxNetworkGraph graph, OnnxValue input) => graph.Layer(_fc2, graph.Gelu(graph.Layer(_fc1, input)));
    }
}
