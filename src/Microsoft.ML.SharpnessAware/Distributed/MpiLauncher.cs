using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>What has started this process as one of several, told by the environment.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Size">The number of processes.</param>
/// <param name="Family">The MPI that it belongs to; null where it starts any.</param>
internal sealed record MpiLauncher(string Name, int Size, MpiFamily? Family)
{
    // Slurm: of a step, which srun starts. SLURM_NTASKS is there in a batch script as well, which is one process.
    private static readonly (string Variable, string Name, MpiFamily? Family, int AtLeast)[] Known =
    [
        ("OMPI_COMM_WORLD_SIZE", "Open MPI's mpirun", MpiFamily.OpenMpi, 1),
        ("PMI_SIZE", "an mpiexec of MPICH's family", MpiFamily.Mpich, 1),
        ("SLURM_STEP_NUM_TASKS", "Slurm's srun", null, 2),
    ];

    /// <summary>Null where nothing has.</summary>
    public static MpiLauncher? Current => Of(Environment.GetEnvironmentVariable);

    public static MpiLauncher? Of(Func<string, string?> variable)
    {
        foreach ((string name, string launcher, MpiFamily? family, int atLeast) in Known)
        {
            if (int.TryParse(variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int size) && size >= atLeast)
                return new(launcher, size, family);
        }
        return null;
    }
}
