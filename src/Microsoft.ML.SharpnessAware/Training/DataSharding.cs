namespace Microsoft.ML.SharpnessAware;

/// <summary>Which images each process of a <see cref="ProcessGroup"/> decodes and keeps.</summary>
public enum DataSharding
{
    /// <summary>All of them: each process can take any part of a mini-batch.</summary>
    None,

    /// <summary>
    /// Its own share. Every process reads the same data view, all labels and the images of its own rows; the rows are dealt out class by
    /// class, so that all have as many of each class, but for one. An image is decoded once in the whole group, and takes memory in one
    /// process. Each process' part of a mini-batch is drawn from its own rows. The data are read twice, first for the labels alone, so they
    /// must give the same rows again: a list or files, no queue.
    /// </summary>
    ByRow,
}
