using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The handles and constants that are needed, which every family of MPI libraries has others of.</summary>
internal sealed record MpiHandles(
    nint World, nint Float, nint Double, nint Byte, nint Sum, nint ErrorsReturn, nint InPlace, int ThreadSerialized)
{
    /// <summary>As mpi.h of MPICH has them, and of what keeps its binary interface.</summary>
    private static readonly MpiHandles Mpich =
        new(0x44000000, 0x4c00040a, 0x4c00080b, 0x4c00010d, 0x58000003, 0x54000001, InPlace: -1, ThreadSerialized: 2);

    /// <summary>As the MPI standard 5.0 fixes them (chapter 20).</summary>
    private static readonly MpiHandles Standard = new(0x101, 0x210, 0x214, 0x247, 0x21, 0x142, InPlace: 1, ThreadSerialized: 2048);

    /// <exception cref="EntryPointNotFoundException">The library is not of that family.</exception>
    public static MpiHandles Of(MpiFamily family, nint library)
    {
        return family switch
        {
            MpiFamily.Mpich => Mpich,
            MpiFamily.Standard => Standard,
            _ => new(Symbol("ompi_mpi_comm_world"), Symbol("ompi_mpi_float"), Symbol("ompi_mpi_double"), Symbol("ompi_mpi_byte"),
                Symbol("ompi_mpi_op_sum"), Symbol("ompi_mpi_errors_return"), InPlace: 1, ThreadSerialized: 2),
        };

        nint Symbol(string name) => NativeLibrary.GetExport(library, name);
    }
}
