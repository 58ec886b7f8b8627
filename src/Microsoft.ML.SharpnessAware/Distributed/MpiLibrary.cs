using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.SharpnessAware;

/// <summary>An MPI library that is installed on this machine, called directly by the functions that are needed of it.</summary>
internal sealed unsafe class MpiLibrary
{
    private const string WhatToInstall =
        "Install one: 'apt install openmpi-bin' or 'apt install mpich' on Debian and Ubuntu, 'dnf install openmpi' on Fedora and RHEL, " +
        "'brew install open-mpi' on macOS, Microsoft MPI on Windows; on a cluster, load its module ('module load openmpi'). A library in " +
        "another place can be named: ProcessGroup.Mpi(\"/path/to/libmpi.so\").";

    // In this order; of a launcher of another family, that family's first.
    private static readonly (MpiFamily Family, string Name)[] Names =
    [
        (MpiFamily.OpenMpi, "libmpi.so.40"), (MpiFamily.OpenMpi, "libmpi.40.dylib"),
        (MpiFamily.Mpich, "libmpich.so.12"), (MpiFamily.Mpich, "libmpi.so.12"), (MpiFamily.Mpich, "libmpi.12.dylib"),
        (MpiFamily.Mpich, "msmpi.dll"),
        (MpiFamily.Standard, "libmpi_abi.so.1"), (MpiFamily.Standard, "libmpi_abi.so.0"), (MpiFamily.Standard, "libmpi_abi.1.dylib"),
        (MpiFamily.Standard, "libmpi_abi.0.dylib"), (MpiFamily.Standard, "mpi_abi.dll"),
    ];

    // Where Homebrew and MacPorts put libraries, and where dlopen does not look for a bare name.
    private static readonly string[] FoldersOfMacOS = ["/opt/homebrew/lib", "/usr/local/lib", "/opt/local/lib"];

    private const int LongestText = 8192;

    private readonly nint _handle;
    private readonly delegate* unmanaged<nint, nint, int, nint, nint, nint, int> _allreduce;
    private readonly delegate* unmanaged<nint, nint, int, nint, nint, nint, nint*, int> _iallreduce;
    private readonly delegate* unmanaged<nint, int, nint, int, nint, int> _bcast;
    private readonly delegate* unmanaged<nint*, int*, byte*, int> _test;
    private readonly delegate* unmanaged<int, byte*, int*, int> _errorString;
    private readonly MpiHandles _mpi;

    private MpiLibrary(nint handle, string name, string version, MpiFamily family)
    {
        (_handle, Name, Version) = (handle, name, version);
        _mpi = MpiHandles.Of(family, handle);
        _allreduce = (delegate* unmanaged<nint, nint, int, nint, nint, nint, int>)Function("MPI_Allreduce");
        _iallreduce = (delegate* unmanaged<nint, nint, int, nint, nint, nint, nint*, int>)Function("MPI_Iallreduce");
        _bcast = (delegate* unmanaged<nint, int, nint, int, nint, int>)Function("MPI_Bcast");
        _test = (delegate* unmanaged<nint*, int*, byte*, int>)Function("MPI_Test");
        _errorString = (delegate* unmanaged<int, byte*, int*, int>)Function("MPI_Error_string");
    }

    public string Name { get; }

    /// <summary>What the library says of itself, its first line.</summary>
    public string Version { get; }

    /// <summary>Loads the library of a name, or the first that is there.</summary>
    /// <exception cref="InvalidOperationException">There is none, or it is of an unknown kind.</exception>
    public static MpiLibrary Load(string? name, MpiFamily? preferred)
    {
        IEnumerable<string> names = name is not null
            ? [name]
            : Names.OrderBy(known => known.Family == preferred ? 0 : 1).Select(known => known.Name);
        foreach (string candidate in names.SelectMany(each => Places(each, OperatingSystem.IsMacOS())))
        {
            if (!NativeLibrary.TryLoad(candidate, out nint handle))
                continue;
            string version = VersionOf(handle, candidate);
            try
            {
                return new(handle, candidate, version, FamilyOf(handle, version, candidate));
            }
            catch (EntryPointNotFoundException e)
            {
                throw new InvalidOperationException($"The MPI library '{candidate}' ({version}) is too old, or not whole: {e.Message} " +
                    "Version 3 of MPI is needed.", e);
            }
        }
        throw new InvalidOperationException(name is null
            ? $"No MPI library was found ({string.Join(", ", Names.Select(known => known.Name))}" +
                $"{(OperatingSystem.IsMacOS() ? $"; also in {string.Join(", ", FoldersOfMacOS)}" : "")}). {WhatToInstall}"
            : $"The MPI library '{name}' cannot be loaded: there is no such file, or not what it needs. {WhatToInstall}");
    }

    /// <summary>What to try for the name of a library, or a path.</summary>
    internal static IEnumerable<string> Places(string name, bool isMacOS) =>
        isMacOS && !name.Contains('/') ? [name, .. FoldersOfMacOS.Select(folder => $"{folder}/{name}")] : [name];

    /// <summary>Starts MPI, where nobody has yet, with errors that return to the caller.</summary>
    /// <returns>Whether it was started here, so that it is to be ended here.</returns>
    public bool Start()
    {
        int started, provided, ended;
        Check(((delegate* unmanaged<int*, int>)Function("MPI_Finalized"))(&ended));
        if (ended != 0)
            throw new InvalidOperationException("MPI has ended in this process, and can be started once only.");
        Check(((delegate* unmanaged<int*, int>)Function("MPI_Initialized"))(&started));
        if (started == 0)
            Check(((delegate* unmanaged<int*, byte***, int, int*, int>)Function("MPI_Init_thread"))(
                null, null, _mpi.ThreadSerialized, &provided));
        Check(((delegate* unmanaged<nint, nint, int>)Function("MPI_Comm_set_errhandler"))(_mpi.World, _mpi.ErrorsReturn));
        return started == 0;
    }

    public (int Rank, int Size) Place()
    {
        int rank, size;
        Check(((delegate* unmanaged<nint, int*, int>)Function("MPI_Comm_rank"))(_mpi.World, &rank));
        Check(((delegate* unmanaged<nint, int*, int>)Function("MPI_Comm_size"))(_mpi.World, &size));
        return (rank, size);
    }

    public void Sum(float* values, int count) => Check(_allreduce(_mpi.InPlace, (nint)values, count, _mpi.Float, _mpi.Sum, _mpi.World));

    public void Sum(double* values, int count) => Check(_allreduce(_mpi.InPlace, (nint)values, count, _mpi.Double, _mpi.Sum, _mpi.World));

    /// <summary>Begins a sum, whose values must stay where they are until <see cref="IsDone"/>.</summary>
    public void BeginSum(double* values, int count, nint* request) =>
        Check(_iallreduce(_mpi.InPlace, (nint)values, count, _mpi.Double, _mpi.Sum, _mpi.World, request));

    public bool IsDone(nint* request)
    {
        const int LargestStatus = 64;
        byte* status = stackalloc byte[LargestStatus];
        int done;
        Check(_test(request, &done, status));
        return done != 0;
    }

    public void Broadcast(byte* values, int count, int root) => Check(_bcast((nint)values, count, _mpi.Byte, root, _mpi.World));

    public void Abort(int exitCode) => Check(((delegate* unmanaged<nint, int, int>)Function("MPI_Abort"))(_mpi.World, exitCode));

    public void End() => Check(((delegate* unmanaged<int>)Function("MPI_Finalize"))());

    private static MpiFamily FamilyOf(nint handle, string version, string name)
    {
        if (NativeLibrary.TryGetExport(handle, "ompi_mpi_comm_world", out _))
            return MpiFamily.OpenMpi;
        if (Path.GetFileName(name).Contains("mpi_abi", StringComparison.Ordinal))
            return MpiFamily.Standard;
        string[] likeMpich = ["MPICH", "Intel(R) MPI", "MVAPICH", "Microsoft MPI"];
        return likeMpich.Any(word => version.Contains(word, StringComparison.OrdinalIgnoreCase))
            || Path.GetFileName(name).StartsWith("msmpi", StringComparison.OrdinalIgnoreCase)
            ? MpiFamily.Mpich
            : throw new InvalidOperationException(
                $"The MPI library '{name}' is of a kind that is not known: it calls itself '{version}'. Known are Open MPI, MPICH and " +
                "its family (Intel MPI, MVAPICH, Cray MPI, Microsoft MPI), and every library with the standard ABI of MPI 5 " +
                $"(libmpi_abi). {WhatToInstall}");
    }

    private static string VersionOf(nint handle, string name)
    {
        if (!NativeLibrary.TryGetExport(handle, "MPI_Get_library_version", out nint function))
            throw new InvalidOperationException($"'{name}' is not an MPI library of version 3 or later. {WhatToInstall}");
        byte[] text = new byte[LongestText];
        int length;
        fixed (byte* start = text)
            _ = ((delegate* unmanaged<byte*, int*, int>)function)(start, &length);
        return FirstLine(text, length);
    }

    private static string FirstLine(byte[] text, int length) =>
        Encoding.UTF8.GetString(text, 0, Math.Clamp(length, 0, text.Length)).Split('\n')[0].TrimEnd('\0', '\r', ' ');

    private nint Function(string name) => NativeLibrary.GetExport(_handle, name);

    private void Check(int code)
    {
        if (code == 0)
            return;
        byte[] text = new byte[LongestText];
        int length = 0;
        fixed (byte* start = text)
            _ = _errorString(code, start, &length);
        throw new MpiException($"{FirstLine(text, length)} ({Version}, error {code})");
    }
}
