using Microsoft.Build.Framework;
using Task = Microsoft.Build.Utilities.Task;

namespace MLSharpness.Build;

/// <summary>Makes the copies of <c>Microsoft.ML.TorchSharp.dll</c> in an output folder train with TorchSharp 0.104 and later.</summary>
/// <remarks>
/// Microsoft.ML.TorchSharp 0.23.1 is compiled against TorchSharp 0.102.7. It initialises weights by <c>using var w = init.…_(weight)</c>,
/// which disposed of a second handle then and disposes of the weight itself since TorchSharp 0.104, so that every text trainer fails at its
/// first step: "Tensor invalid -- empty handle". See <see cref="MLTorchSharpImage"/> for what is rewritten. Another version, or a copy that
/// was rewritten already, is left alone.
/// </remarks>
public sealed class FixMicrosoftMLTorchSharp : Task
{
    /// <summary>The copies to look at. Never the package's own file: it is shared by every project.</summary>
    [Required]
    public required ITaskItem[] Libraries { get; set; }

    public override bool Execute()
    {
        foreach (ITaskItem library in Libraries)
        {
            string path = library.GetMetadata("FullPath");
            byte[] image = OutputFile.Read(path);
            if (MLTorchSharpImage.KeepInitialisedWeights(image))
            {
                OutputFile.Replace(path, image);
                Log.LogMessage(MessageImportance.High,
                    $"Microsoft.ML.TorchSharp: {path} no longer disposes of the weights it initialises.");
            }
        }
        return true;
    }
}
