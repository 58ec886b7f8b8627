namespace Microsoft.ML.SharpnessAware.Tests.Training;

[TestClass]
public sealed class TrainingProgressTests
{
    [TestMethod]
    public void WhatIsReadIsWhatWasWritten()
    {
        var written = new TrainingProgress { Halvings = 2, StoppedEarly = true };
        written.StepDone(loss: 0.5, images: 16);
        written.StepDone(loss: 0.25, images: 8);
        using var stream = new MemoryStream();
        written.Write(new BinaryWriter(stream));
        stream.Position = 0;
        var read = new TrainingProgress();

        read.Read(new BinaryReader(stream));

        Assert.AreEqual((1, 2, 2L, 10.0, 2, true),
            (read.Epoch, read.Batch, read.Step, read.LossSum, read.Halvings, read.StoppedEarly));
        Assert.AreEqual(stream.Length, stream.Position);
    }
}
