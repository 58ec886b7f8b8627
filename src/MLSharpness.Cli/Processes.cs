using Microsoft.ML.SharpnessAware;
using TorchSharp;

namespace MLSharpness.Cli;

/// <summary>The processes that mpirun or srun has started with this one.</summary>
internal static class Processes
{
    /// <summary>Null where nothing has. Each process takes its part of the machine's processors, unless OMP_NUM_THREADS says
    /// otherwise.</summary>
    /// <exception cref="InvalidOperationException">There is no MPI library, or not the launcher's.</exception>
    public static ProcessGroup? Join()
    {
        if (!ProcessGroup.IsLaunchedByMpi)
            return null;
        ProcessGroup group = ProcessGroup.Mpi();
        if (Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is null or "")
            torch.set_num_threads(group.ThreadsPerProcess);
        return group;
    }
}
