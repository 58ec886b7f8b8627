using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Makes sessions of ONNX Runtime, whose native library the application brings.</summary>
internal static class OnnxSession
{
    /// <param name="env">For the GPU that the context asks for.</param>
    /// <param name="file">The model.</param>
    /// <param name="source">What it is called in messages.</param>
    /// <param name="configure">Changes the settings; null takes the context's GPU where it names one.</param>
    /// <exception cref="InvalidDataException">ONNX Runtime cannot read the model.</exception>
    /// <exception cref="InvalidOperationException">The native library is missing, or has not what is asked for.</exception>
    public static InferenceSession Create(IHostEnvironment env, byte[] file, string source, Action<SessionOptions>? configure)
    {
        using SessionOptions options = CreateOptions();
        (configure ?? (settings => UseGpu(env, settings)))(options);
        try
        {
            return new InferenceSession(file, options);
        }
        catch (OnnxRuntimeException e)
        {
            throw new InvalidDataException($"{source} cannot be read by ONNX Runtime: it is damaged, no ONNX file, or of a newer version " +
                $"than the package of ONNX Runtime. {e.Message}", e);
        }
    }

    private static SessionOptions CreateOptions()
    {
        try
        {
            return new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or BadImageFormatException
                                      or EntryPointNotFoundException)
        {
            throw new InvalidOperationException(
                "The native library of ONNX Runtime could not be loaded. Add one package to the application: Microsoft.ML.OnnxRuntime for " +
                "the CPU (and CoreML on a Mac), Microsoft.ML.OnnxRuntime.Gpu for an NVIDIA GPU, or Microsoft.ML.OnnxRuntime.DirectML for " +
                "any GPU on Windows.", e);
        }
    }

    private static void UseGpu(IHostEnvironment env, SessionOptions options)
    {
        var settings = (IHostEnvironmentInternal)env;
        if (settings.GpuDeviceId is not int device)
            return;
        try
        {
            options.AppendExecutionProvider_CUDA(device);
        }
        catch (Exception e) when (e is OnnxRuntimeException or EntryPointNotFoundException)
        {
            if (!settings.FallbackToCpu)
            {
                throw new InvalidOperationException(
                    $"MLContext.GpuDeviceId is {device}, and ONNX Runtime has no CUDA: add Microsoft.ML.OnnxRuntime.Gpu to the " +
                    "application, or set MLContext.FallbackToCpu.", e);
            }
        }
    }
}
