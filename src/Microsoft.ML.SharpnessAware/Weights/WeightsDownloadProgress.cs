namespace Microsoft.ML.SharpnessAware;

/// <summary>How far <see cref="WeightsDownload.GetAsync"/> has come.</summary>
/// <param name="BytesReceived">Bytes of the file that are here, those of an earlier, interrupted download included.</param>
/// <param name="TotalBytes">Bytes of the whole file; null where the server does not tell.</param>
public readonly record struct WeightsDownloadProgress(long BytesReceived, long? TotalBytes);
