using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Collects what is wrong with the images of a data set, so that it is said once and of all of them.</summary>
internal sealed class BadImages(OnBadImage handling = OnBadImage.Error, Action<string>? warn = null)
{
    /// <summary>More are counted but not named: the message is for people.</summary>
    public const int MaxNamed = 20;

    private readonly List<InvalidOperationException> _named = [];
    private long _count;

    /// <summary>Whether <see cref="Report"/> will throw, so that the other images are read for their errors alone.</summary>
    public bool WillFail => _count > 0 && handling != OnBadImage.Skip;

    /// <summary>Takes an error if it is about one image and reading can continue after it.</summary>
    public bool Takes(InvalidOperationException error)
    {
        if (!ImageReader.IsAboutOneImage(error))
            return false;
        if (_named.Count < MaxNamed)
            _named.Add(error);
        _count++;
        return true;
    }

    /// <summary>Says what was collected: throws, or warns where bad images are skipped and good ones are left.</summary>
    /// <exception cref="InvalidOperationException">There are bad images.</exception>
    public void Report(long rows)
    {
        if (_count == 0)
            return;
        string list = string.Join("; ", _named.Select(error => error.Message.TrimEnd('.')))
            + (_count > _named.Count ? string.Create(CultureInfo.InvariantCulture, $"; and {_count - _named.Count} more") : "");
        if (handling == OnBadImage.Skip && _count < rows)
            warn?.Invoke(string.Create(CultureInfo.InvariantCulture,
                $"{_count} of {rows} images cannot be used and are left out (OnBadImage = Skip): {list}."));
        else if (_count == 1 && rows > 1)
            throw _named[0];
        else
            throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"{_count} of {rows} images cannot be used: {list}. ") +
                (handling == OnBadImage.Skip ? "None is left." : "Correct or remove them, or set OnBadImage to Skip."),
                _named[0].InnerException);
    }
}
