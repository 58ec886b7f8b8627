using System.Runtime.InteropServices;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Does something as a user who owns nothing, on a thread of its own. Linux, for root.</summary>
internal static class OtherUser
{
    private const int Nobody = 65534;

    public static void Run(Action action)
    {
        Exception? thrown = null;
        var thread = new Thread(() =>
        {
            _ = SetFileSystemUser(Nobody);       // of this thread alone, which ends with it
            try
            {
                action();
            }
            catch (Exception e)
            {
                thrown = e;
            }
        });
        thread.Start();
        thread.Join();
        if (thrown is not null)
            throw new InvalidOperationException($"As another user: {thrown.Message}", thrown);
    }

    [DllImport("libc", EntryPoint = "setfsuid")]
    private static extern int SetFileSystemUser(int user);
}
