using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware;

public sealed partial class SharpnessAwareOptimizer
{
    /// <summary>Trains on one mini-batch: both passes and the update.</summary>
    /// <param name="logits">
    /// A forward pass of the module on the mini-batch, giving unnormalised scores of shape [batch, classes], or of shape
    /// [batch, classes, height, width] for images whose pixels are classified. It is called once for each pass, must compute afresh each
    /// time, and tensors that it creates are disposed after the pass.
    /// </param>
    /// <param name="labels">Zero-based classes, int64, shape [batch] or [batch, height, width]; or a probability for each class, floating
    /// point, the shape of the logits. On the device of the logits.</param>
    /// <returns>The mean loss, without CSAM's damping, of the first pass: at the weights before the step.</returns>
    /// <remarks>With probabilities q the loss is Σₖ qₖ ℓ(k), and CSAM damps each term by the probability of its own class.</remarks>
    /// <exception cref="ArgumentException">
    /// The labels are not int64 or probabilities, not of the shape that belongs to the logits, on another device or (checked on the CPU)
    /// out of range; the logits are not a tensor of floating-point numbers of such a shape; or the loss does not give one number a sample.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The logits do not depend on the parameters, or are probabilities already; <paramref name="logits"/> called <c>backward()</c>; the
    /// module's parameters were replaced, or freed since the optimiser was made; the method takes a share of the mini-batch, for which the
    /// optimiser must be given the inputs; or batch norm in training mode has a single value for each channel.
    /// </exception>
    /// <exception cref="TrainingDivergedException">The loss or its gradient is infinite or not a number in one of the passes.</exception>
    public double Step(Func<Tensor> logits, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(labels);
        return Step([new MicroBatch(logits, new Targets(labels))], Ascent.WholeBatch, ShareOfOne());
    }

    /// <summary>
    /// Trains on one mini-batch of mixed samples (mixup, CutMix), whose loss is λ ℓ(y₁) + (1 − λ) ℓ(y₂).
    /// </summary>
    /// <param name="logits">As for a step with one label a sample.</param>
    /// <param name="labels">The first label y₁ of each sample, as for a step with one: classes, or probabilities.</param>
    /// <param name="otherLabels">The second label y₂ of each sample, of the same kind.</param>
    /// <param name="share">λ, the share of the first label, in [0, 1], floating point, shape [batch], on the device of the logits.</param>
    /// <returns>
    /// The mean of the mixed losses, without CSAM's damping, of the first pass. Unless all λ are 0 or 1 it cannot reach 0.
    /// </returns>
    /// <remarks>
    /// CSAM damps each of the two terms by the probability of its own label: λ f(p₁) ℓ(y₁) + (1 − λ) f(p₂) ℓ(y₂). At most one of the two
    /// probabilities is above ½, so at most one term is damped; and where λ is 1, or both labels are the same, it is the loss of one label.
    /// Of probabilities q₁ and q₂ it is the step with λ q₁ + (1 − λ) q₂.
    /// </remarks>
    /// <inheritdoc cref="Step(Func{Tensor}, Tensor)" path="/exception"/>
    public double Step(Func<Tensor> logits, Tensor labels, Tensor otherLabels, Tensor share)
    {
        ArgumentNullException.ThrowIfNull(logits);
        return Step([new MicroBatch(logits, Mixed(labels, otherLabels, share))], Ascent.WholeBatch, ShareOfOne());
    }

    /// <summary>Trains on one mini-batch by any loss: regression, contrastive, several heads.</summary>
    /// <param name="loss">
    /// A forward pass of the module on the mini-batch and its mean loss, one number. It is called once for each pass, must compute afresh
    /// each time and not call <c>backward()</c>; tensors that it creates are disposed after the pass.
    /// </param>
    /// <returns>The loss of the first pass: at the weights before the step.</returns>
    /// <remarks>In a process group the loss of each process counts alike, of however many samples it is. Where they have different numbers
    /// n of samples, take <c>Step([new MicroBatch(loss, weight: n)])</c>.</remarks>
    /// <exception cref="ArgumentException">The loss is not one floating-point number.</exception>
    /// <exception cref="InvalidOperationException">
    /// The loss does not depend on the parameters; the method is CSAM, whose damping needs class probabilities, or takes a share of the
    /// mini-batch; <paramref name="loss"/> called <c>backward()</c>; the module's parameters were replaced, or freed since the optimiser
    /// was made; or batch norm in training mode has a single value for each channel.
    /// </exception>
    /// <exception cref="TrainingDivergedException">The loss or its gradient is infinite or not a number in one of the passes.</exception>
    public double Step(Func<Tensor> loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        return Step([new MicroBatch(loss)], Ascent.WholeBatch, ShareOfOne());
    }

    /// <summary>
    /// Trains on one mini-batch that is too large for memory, part by part: the loss is the mean over all samples, and so are the
    /// gradients, norms and CSAM's damping. Only batch normalisation sees each part by itself.
    /// </summary>
    /// <param name="microBatches">The parts. The optimiser goes over them once for each pass, and keeps the activations of one.</param>
    /// <param name="ascent">Whose gradient the weights climb along. Default: that of the whole mini-batch.</param>
    /// <returns>The mean loss of the first pass, without CSAM's damping.</returns>
    /// <remarks>Where the climb's gradient is that of a share of the mini-batch, it is that of so many of its parts, and of one at least:
    /// of the whole mini-batch, where it has only one.</remarks>
    /// <exception cref="ArgumentException">There are no parts, or one is null or does not fit, as for a step with one part.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="ascent"/> is not a defined value.</exception>
    /// <exception cref="InvalidOperationException">
    /// The loss does not depend on the parameters; logits are probabilities already; the method is CSAM, whose damping needs class
    /// probabilities, and a part has a loss of its own; a part called <c>backward()</c>; the module's parameters were replaced, or freed
    /// since the optimiser was made; batch norm in training mode has a single value for each channel; or each part is to climb by itself
    /// and <see cref="SharpnessAwareMethod.AscentShare"/> is below 1.
    /// </exception>
    /// <exception cref="TrainingDivergedException">The loss or its gradient is infinite or not a number in one of the passes.</exception>
    public double Step(IEnumerable<MicroBatch> microBatches, Ascent ascent = Ascent.WholeBatch)
    {
        ArgumentNullException.ThrowIfNull(microBatches);
        if (!Enum.IsDefined(ascent))
            throw new ArgumentOutOfRangeException(nameof(ascent), ascent, "This is not a defined ascent.");
        MicroBatch[] parts = [.. microBatches];     // once, since some sources cannot be read twice
        if (parts.Length == 0 || parts.Contains(null))
            throw new ArgumentException("A step needs micro-batches: there are none, or one of them is null.", nameof(microBatches));
        if (_method.AscentShare < 1 && ascent == Ascent.PerMicroBatch)
        {
            throw new InvalidOperationException(
                $"With {nameof(Ascent)}.{nameof(Ascent.PerMicroBatch)} each part climbs; set AscentShare to 1.");
        }
        return Step(parts, ascent, _method.AscentShare == 1 ? null : () => Drawn(parts.Length)?.Select(i => parts[i]).ToArray());
    }

    /// <summary>
    /// Trains on one mini-batch whose inputs the optimiser knows, so that the climb's gradient can be that of a share of them
    /// (<see cref="SharpnessAwareMethod.AscentShare"/>).
    /// </summary>
    /// <param name="network">A forward pass of the module on the inputs that it is given, which it must leave as they are.</param>
    /// <param name="inputs">The inputs; the first dimension is the samples.</param>
    /// <param name="labels">As for a step with logits and labels.</param>
    /// <returns>The mean loss of the first pass, without CSAM's damping; of the share, where the climb's gradient is that of one.</returns>
    /// <remarks>With a share, a network with running statistics (batch normalisation) costs one more forward pass, without gradients, so
    /// that they are those of the whole mini-batch at w.</remarks>
    /// <exception cref="ArgumentException">
    /// The labels are not int64 or probabilities, not of the shape that belongs to the logits, on another device or (checked on the CPU)
    /// out of range; the logits are not a tensor of floating-point numbers of such a shape; or the loss does not give one number a sample.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The logits do not depend on the parameters, or are probabilities already; <paramref name="network"/> called <c>backward()</c> or
    /// changes its input in place; the module's parameters were replaced, or freed since the optimiser was made; or batch norm in training
    /// mode has a single value for each channel.
    /// </exception>
    /// <exception cref="TrainingDivergedException">The loss or its gradient is infinite or not a number in one of the passes.</exception>
    public double Step(Func<Tensor, Tensor> network, Tensor inputs, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        return Step(network, inputs, new Targets(labels));
    }

    /// <summary>As the step whose inputs the optimiser knows, with mixed samples.</summary>
    /// <param name="network">A forward pass of the module on the inputs that it is given, which it must leave as they are.</param>
    /// <param name="inputs">The inputs; the first dimension is the samples.</param>
    /// <param name="labels">As for a step with mixed samples.</param>
    /// <param name="otherLabels">As there.</param>
    /// <param name="share">As there.</param>
    /// <returns>As there.</returns>
    /// <inheritdoc cref="Step(Func{Tensor, Tensor}, Tensor, Tensor)" path="/exception"/>
    public double Step(Func<Tensor, Tensor> network, Tensor inputs, Tensor labels, Tensor otherLabels, Tensor share) =>
        Step(network, inputs, Mixed(labels, otherLabels, share));

    private double Step(Func<Tensor, Tensor> network, Tensor inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(inputs);
        if (_method.AscentShare < 1)
            targets.CheckRows(inputs);
        using Tensor? original = _isFirst && inputs.numel() > 0 ? inputs.detach().clone() : null;
        MicroBatch whole = new(() => Unchanged(network(inputs)), targets);
        return Step([whole], Ascent.WholeBatch, _method.AscentShare == 1 ? null : Some);

        MicroBatch[]? Some()
        {
            if (Drawn((int)inputs.shape[0]) is not { } drawn)
                return null;
            if (drawn.Length == 0)
                return [];
            Tensor rows = tensor([.. drawn.Select(i => (long)i)], device: inputs.device);
            Tensor some = inputs.index_select(0, rows);
            return [new MicroBatch(() => network(some), targets.Rows(rows))];
        }

        Tensor Unchanged(Tensor logits)
        {
            if (original is not null && _isFirst && !original.allclose(inputs, rtol: 0, atol: 0, equal_nan: true))
            {
                throw new InvalidOperationException(
                    "The network changes its input in place, so that the second pass, and whoever uses the images afterwards, sees " +
                    "something else. Use the operations that make a new tensor (relu() for relu_(), x - m for x.sub_(m)).");
            }
            return logits;
        }
    }

    private static Targets Mixed(Tensor labels, Tensor otherLabels, Tensor share)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(otherLabels);
        ArgumentNullException.ThrowIfNull(share);
        LogitChecks.CheckKinds(labels, otherLabels);
        return new Targets(labels, otherLabels, share);
    }

    /// <summary>What a share of something is that cannot be divided.</summary>
    private Func<MicroBatch[]?>? ShareOfOne() => _method.AscentShare == 1 ? null : () => throw new InvalidOperationException(
        "The gradient of the climb is to be that of a share of the mini-batch (AscentShare), and a function that computes the whole " +
        "cannot be divided. Use Step(network, inputs, labels) or several micro-batches.");

    /// <summary>The places of the share that is drawn for this step, in rising order: of those of all processes where they climb
    /// together. Null where it has all, whose pass gives their running statistics, too.</summary>
    private int[]? Drawn(int count)
    {
        (int before, int all) = _exchange is not null && SharedAscent ? _exchange.PlaceOf(count) : (0, count);
        int[] drawn = [.. DrawnOf(all).Where(place => place >= before && place < before + count).Select(place => place - before)];
        return drawn.Length == count ? null : drawn;
    }

    private int[] DrawnOf(int count)
    {
        int wanted = Math.Clamp((int)Math.Round(_method.AscentShare * count), 1, count);
        var random = new Random(HashOf(Seed, _completedSteps));
        int[] places = [.. Enumerable.Range(0, count)];
        random.Shuffle(places);
        int[] drawn = places[..wanted];
        Array.Sort(drawn);
        return drawn;
    }

    // The same on every machine and in every process, as HashCode.Combine is not.
    private static int HashOf(int seed, long step)
    {
        ulong state = ((ulong)(uint)seed << 32) + (ulong)step;
        return (int)SplitMix64.Next(ref state);
    }
}
