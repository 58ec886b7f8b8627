namespace Microsoft.ML.SharpnessAware;

/// <summary>The kinds of MPI libraries, by how they pass handles.</summary>
internal enum MpiFamily
{
    /// <summary>Handles are addresses of exported symbols.</summary>
    OpenMpi,

    /// <summary>Handles are numbers: MPICH, Intel MPI, MVAPICH, Cray MPI, Microsoft MPI.</summary>
    Mpich,

    /// <summary>Handles are the numbers of the standard ABI of MPI 5.</summary>
    Standard,
}
