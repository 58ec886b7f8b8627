using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>Another implementation of ONNX reads the file: onnxruntime-web, compiled to WebAssembly, in node.</summary>
[TestClass]
public sealed class SecondReaderTests
{
    [TestMethod]
    public void OnnxruntimeWebGivesTheSameNumbersAndNames()
    {
        string browser = Path.Combine(Repository.Root, "docs", "samples", "Browser");
        string modules = Environment.GetEnvironmentVariable("MLSHARPNESS_NODE_MODULES") ?? Path.Combine(browser, "node_modules");
        if (!Directory.Exists(Path.Combine(modules, "onnxruntime-web")))
            Assert.Inconclusive($"There is no onnxruntime-web in '{modules}': npm install in docs/samples/Browser.");
        using var folder = new TemporaryFolder();
        foreach (string script in new[] { "score.mjs", "metadata.js" })
            File.Copy(Path.Combine(browser, script), folder.File(script));
        Directory.CreateSymbolicLink(folder.File("node_modules"), modules);
        var mlContext = new MLContext(1);
        List<PixelRow> rows = Shapes.Pixels(20);
        IDataView data = Fitted.View(mlContext, rows);
        using SharpnessAwareImageClassificationTransformer model = Fitted.Model(mlContext, data);
        model.SaveOnnx(folder.File("model.onnx"));
        File.WriteAllBytes(folder.File("pixels"), [.. rows.SelectMany(row => row.Image)]);

        using JsonDocument answer = JsonDocument.Parse(Node(folder.File("score.mjs"), folder.File("model.onnx"), folder.File("pixels")));

        float[] scores = answer.RootElement.GetProperty("scores").Deserialize<float[]>()!;
        string[] labels = answer.RootElement.GetProperty("labels").Deserialize<string[]>()!;
        float[][] expected = Fitted.Scores(mlContext, model.Transform(data));
        for (int row = 0; row < rows.Count; row++)
        {
            for (int k = 0; k < 3; k++)
                Assert.AreEqual(expected[row][k], scores[(row * 3) + k], 1e-5f);
            Assert.AreEqual(model.ClassNames[Array.IndexOf(expected[row], expected[row].Max())], labels[row]);
        }
    }

    private static string Node(params string[] arguments)
    {
        try
        {
            using Process node = Process.Start(new ProcessStartInfo("node", arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            Task<string> error = node.StandardError.ReadToEndAsync();
            string output = node.StandardOutput.ReadToEnd();
            node.WaitForExit();
            Assert.AreEqual(0, node.ExitCode, error.Result);
            return output;
        }
        catch (Win32Exception e)
        {
            Assert.Inconclusive($"node cannot be started: {e.Message}");
            throw;
        }
    }
}
