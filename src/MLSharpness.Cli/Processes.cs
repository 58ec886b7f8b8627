using Microsoft.ML.SharpnessAware;
using TorchSharp;

namespace MLSharpness.Cli;

/// <summary>The processes that mpirun or srun has started with this one, and the processors that each may use.</summary>
internal static class Processes
{
    // Whoever has set it knows better.
    private static bool AreThreadsGiven => Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is { Length: > 0 };

    /// <summary>Null where nothing has. Each process takes its part of the machine's processors, unless OMP_NUM_THREADS says
    /// otherwise.</summary>
    /// <exception cref="InvalidOperationException">There is no MPI library, or not the launcher's.</exception>
    public static ProcessGroup? Join()
    {
        if (!ProcessGroup.IsLaunchedByMpi)
            return null;
        ProcessGroup group = ProcessGroup.Mpi();
        if (!AreThreadsGiven)
            torch.set_num_threads(group.ThreadsPerProcess);
        return group;
    }

    /// <summary>No more threads than the process has processors, unless OMP_NUM_THREADS says otherwise: in a container that may use a part
    /// of a machine's, libtorch counts those of the machine.</summary>
    public static void LimitThreads()
    {
        try
        {
            if (!AreThreadsGiven && torch.get_num_threads() > Environment.ProcessorCount)
                torch.set_num_threads(Environment.ProcessorCount);
        }
        catch (Exception exception) when (exception is TypeInitializationException or NotSupportedException or DllNotFoundException)
        {
            // There is no libtorch, and the library says what to do about it where it needs one.
        }
    }
}
