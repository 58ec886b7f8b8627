using System.Runtime.Intrinsics.X86;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Makes sessions of ONNX Runtime, whose native library the application brings.</summary>
internal static class OnnxSession
{
    static OnnxSession() => OnnxTelemetry.TurnOff();

    /// <param name="file">The model.</param>
    /// <param name="source">What it is called in messages.</param>
    /// <param name="configure">Changes the settings; null is <see cref="Sleep"/>.</param>
    /// <exception cref="InvalidDataException">ONNX Runtime cannot read the model.</exception>
    /// <exception cref="InvalidOperationException">The native library is missing or too old, or the model cannot be loaded with such
    /// settings.</exception>
    public static InferenceSession Create(byte[] file, string source, Action<SessionOptions>? configure = null)
    {
        using SessionOptions options = CreateOptions();
        (configure ?? Sleep)(options);
        try
        {
            return new InferenceSession(file, options);
        }
        catch (OnnxRuntimeException e) when (configure is null)
        {
            throw new InvalidDataException($"{source} cannot be read by ONNX Runtime: it is damaged, no ONNX file, or of a newer version " +
                $"than the package of ONNX Runtime. {e.Message}", e);
        }
        catch (OnnxRuntimeException e)
        {
            Create(file, source).Dispose();     // whose fault it is
            throw new InvalidOperationException($"{source} cannot be loaded with these session settings, and can be with those of ONNX " +
                $"Runtime: see what configureSession or WithSession sets. {e.Message}", e);
        }
    }

    /// <summary>A session on the GPU that the context names, where it names one; else on the CPU.</summary>
    /// <param name="env">The context.</param>
    /// <param name="file">The model.</param>
    /// <param name="source">What it is called in messages.</param>
    /// <param name="useGpu">Asks for the GPU of a number; null for CUDA.</param>
    /// <exception cref="InvalidDataException">ONNX Runtime cannot read the model.</exception>
    /// <exception cref="InvalidOperationException">The native library is missing; or ONNX Runtime cannot use the GPU, and the context does
    /// not fall back.</exception>
    public static (InferenceSession Session, bool IsOnGpu) CreateFor(
        IHostEnvironment env, byte[] file, string source, Action<SessionOptions, int>? useGpu = null)
    {
        var settings = (IHostEnvironmentInternal)env;
        if (settings.GpuDeviceId is not int device)
            return (Create(file, source), false);
        using SessionOptions options = CreateOptions();
        Sleep(options);
        try
        {
            // That there is no such GPU shows in the first, or only when the session is made.
            (useGpu ?? ((gpu, number) => gpu.AppendExecutionProvider_CUDA(number)))(options, device);
            return (new InferenceSession(file, options), true);
        }
        catch (Exception e) when (e is OnnxRuntimeException or EntryPointNotFoundException)
        {
            InferenceSession onCpu = Create(file, source);      // a file that is damaged ends here
            string problem = $"MLContext.GpuDeviceId is {device}, and ONNX Runtime cannot use that GPU";
            if (!settings.FallbackToCpu)
            {
                onCpu.Dispose();
                throw new InvalidOperationException($"{problem}: add Microsoft.ML.OnnxRuntime.Gpu to the application if it is missing, " +
                    $"name a GPU that the machine has, or set MLContext.FallbackToCpu. {e.Message}", e);
            }

            using IChannel channel = env.Register(nameof(OnnxSession)).Start("Loading a model");
            channel.Warning($"{problem}; the CPU is used (MLContext.FallbackToCpu). {e.Message}");
            return (onCpu, false);
        }
    }

    /// <summary>Lets threads that wait for the next operator sleep. Spinning gains a little where all processors are free; where one is
    /// not, they wait for each other's time slices, and an image takes twice to three times as long.</summary>
    public static void Sleep(SessionOptions options) => options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");

    private static SessionOptions CreateOptions()
    {
        try
        {
            var options = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
            if (MayOverflow())
                options.AddSessionConfigEntry("session.x64quantprecision", "1");
            return options;
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or BadImageFormatException
                                      or EntryPointNotFoundException)
        {
            throw new InvalidOperationException(WhatToDo(e), e);
        }
    }

    /// <summary>What to do where ONNX Runtime does not start.</summary>
    /// <param name="problem">What it threw. An older native library than the managed half asks for is told by anything but that it is not
    /// there: by a version that it does not know, or by functions that it lacks.</param>
    internal static string WhatToDo(Exception problem)
    {
        Exception cause = problem.GetBaseException();
        if (cause is DllNotFoundException or BadImageFormatException)
        {
            return "The native library of ONNX Runtime could not be loaded. Add one package to the application: Microsoft.ML.OnnxRuntime " +
                "for the CPU (and CoreML on a Mac), Microsoft.ML.OnnxRuntime.Gpu for an NVIDIA GPU, or Microsoft.ML.OnnxRuntime.DirectML " +
                $"for any GPU on Windows. {cause.Message}";
        }

        string version = typeof(SessionOptions).Assembly.GetName().Version!.ToString(3);
        return $"The native library of ONNX Runtime does not fit its managed half, Microsoft.ML.OnnxRuntime.Managed {version}, and is " +
            $"probably older. Take version {version} of the package that brings the native one (Microsoft.ML.OnnxRuntime, " +
            "Microsoft.ML.OnnxRuntime.Gpu or Microsoft.ML.OnnxRuntime.DirectML), or a later one; where the application has none of them, " +
            $"add one. {cause.Message}";
    }

    /// <summary>Whether sums of products of 8 bits may overflow, which quantised files are then kept from: on x86 processors that have
    /// neither AVX-512 VNNI nor AVX-VNNI, ONNX Runtime adds two of them in 16 bits unless it is told to take the slower way.</summary>
    private static bool MayOverflow() =>
        X86Base.IsSupported && (X86Base.CpuId(7, 0).Ecx & (1 << 11)) == 0 && (X86Base.CpuId(7, 1).Eax & (1 << 4)) == 0;
}
