using System.Globalization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Collects what is wrong with the images of a data set, so that it is said once and of all of them.</summary>
internal sealed class BadImages(OnBadImage handling = OnBadImage.Error, Action<string>? warn = null)
{
    /// <summary>More are counted but not named: the message is for people.</summary>
    public const int MaxNamed = 20;

    private readonly List<InvalidOperationException> _named = [];
    private long _count;
    private bool _areUnread;

    /// <summary>Whether <see cref="Report"/> will throw, so that the other images are read for their errors alone.</summary>
    public bool WillFail => _count > 0 && (handling != OnBadImage.Skip || _areUnread);

    /// <summary>Takes an error if it is about one image and reading can continue after it.</summary>
    public bool Takes(InvalidOperationException error)
    {
        if (!ImageReader.IsAboutOneImage(error))
            return false;
        // Of these nothing is known, so they are no bad images that might be left out; where there is one, they alone are told of.
        bool isUnread = handling == OnBadImage.Skip && ImageReader.IsUnread(error);
        if (isUnread && !_areUnread)
        {
            (_areUnread, _count) = (true, 0);
            _named.Clear();
        }

        if (isUnread != _areUnread)
            return true;
        if (_named.Count < MaxNamed)
            _named.Add(error);
        _count++;
        return true;
    }

    /// <summary>Says what was collected: throws, or warns where bad images are skipped, all could be read and good ones are left.</summary>
    /// <exception cref="InvalidOperationException">There are bad images, or some that could not be read.</exception>
    public void Report(long rows)
    {
        if (_count == 0)
            return;
        string list = string.Join("; ", _named.Select(error => error.Message.TrimEnd('.')))
            + (_count > _named.Count ? string.Create(CultureInfo.InvariantCulture, $"; and {_count - _named.Count} more") : "");
        if (_areUnread)
            throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"{_count} of {rows} images cannot be read: {list}. ") +
                "OnBadImage = Skip leaves out what is damaged, and not what cannot be opened: see to it that these can, or leave their " +
                "rows out of the data.",
                _named[0].InnerException);
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
