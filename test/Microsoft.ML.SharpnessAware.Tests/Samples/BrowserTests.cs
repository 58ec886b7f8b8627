using System.ComponentModel;
using System.Diagnostics;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>The web server of the sample Browser.</summary>
[TestClass]
public sealed class BrowserTests
{
    /// <summary>Its last answer is the page, after requests that no browser sends.</summary>
    [TestMethod]
    public void ARequestThatCannotBeReadIsAnsweredAndEndsNothing()
    {
        string server = new Uri(Path.Combine(Repository.Root, "docs", "samples", "Browser", "serve.mjs")).AbsoluteUri;
        string script = $$"""
            import { connect } from 'node:net';
            import { serve } from '{{server}}';
            const server = await serve(0);
            const ask = path => new Promise((resolve, reject) => {
              let text = '';
              connect(server.address().port, '127.0.0.1').setEncoding('utf8').on('data', data => text += data).on('error', reject)
                .on('close', () => resolve(text.split(' ')[1])).write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
            });
            const statuses = [];
            for (const path of ['/%', '/%ff', '//', 'http://[', '/%00', '/..%2f..%2f..%2fCHANGELOG.md', '/', '/index.html'])
              statuses.push(await ask(path));
            console.log(statuses.join(' '));
            server.close();
            """;
        (int exitCode, string output, string error) = Node(script);

        Assert.AreEqual(0, exitCode, error);
        Assert.AreEqual("404 404 404 404 404 404 200 200", output.Trim());
    }

    private static (int ExitCode, string Output, string Error) Node(string script)
    {
        try
        {
            using Process node = Process.Start(new ProcessStartInfo("node", ["--input-type=module", "--eval", script])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            Task<string> error = node.StandardError.ReadToEndAsync();
            string output = node.StandardOutput.ReadToEnd();
            node.WaitForExit();
            return (node.ExitCode, output, error.Result);
        }
        catch (Win32Exception e)
        {
            Assert.Inconclusive($"node cannot be started: {e.Message}");
            throw;
        }
    }
}
