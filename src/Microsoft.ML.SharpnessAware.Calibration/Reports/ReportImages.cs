namespace Microsoft.ML.SharpnessAware;

/// <summary>Finds the image package's pictures, where the application has that package.</summary>
internal static class ReportImages
{
    // By name, since the image package references this one. An application that references it may not have used it yet when it makes a
    // report, so that nothing could have registered itself.
    private const string TypeName = "Microsoft.ML.SharpnessAware.ReportThumbnails, Microsoft.ML.SharpnessAware";

    private static readonly Lazy<IReportImages?> FoundImages = new(() =>
        Type.GetType(TypeName, throwOnError: false) is Type type ? (IReportImages?)Activator.CreateInstance(type) : null);

    /// <summary>Null where the application has only the calibration package: its reports have no pictures.</summary>
    public static IReportImages? Found => FoundImages.Value;
}
