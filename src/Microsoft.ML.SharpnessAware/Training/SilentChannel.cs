using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>The log of the processes of a group that have nothing to say, since another one says it.</summary>
internal sealed class SilentChannel(IHost host) : IChannel
{
    public string ContextDescription => host.ContextDescription;

    public TException Process<TException>(TException ex)
        where TException : Exception => host.Process(ex);

    public void Send(ChannelMessage msg)
    {
    }

    public void Trace(MessageSensitivity sensitivity, string fmt)
    {
    }

    public void Trace(MessageSensitivity sensitivity, string fmt, params object[] args)
    {
    }

    public void Error(MessageSensitivity sensitivity, string fmt)
    {
    }

    public void Error(MessageSensitivity sensitivity, string fmt, params object[] args)
    {
    }

    public void Warning(MessageSensitivity sensitivity, string fmt)
    {
    }

    public void Warning(MessageSensitivity sensitivity, string fmt, params object[] args)
    {
    }

    public void Info(MessageSensitivity sensitivity, string fmt)
    {
    }

    public void Info(MessageSensitivity sensitivity, string fmt, params object[] args)
    {
    }

    public void Dispose()
    {
    }
}
