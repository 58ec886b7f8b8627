namespace Serve;

/// <summary>A model that says what a picture shows, to many requests at a time.</summary>
internal interface IImageClassifier : IDisposable
{
    /// <summary>The probability of each class, the most probable first.</summary>
    /// <param name="image">An image file's bytes.</param>
    /// <exception cref="InvalidOperationException">The bytes are not an image.</exception>
    IReadOnlyList<ClassProbability> Predict(byte[] image);
}
