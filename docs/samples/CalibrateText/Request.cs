namespace CalibrateText;

/// <summary>A row: what a customer wrote, and who answered it.</summary>
internal sealed class Request
{
    public string Text { get; set; } = "";

    public string Label { get; set; } = "";
}
