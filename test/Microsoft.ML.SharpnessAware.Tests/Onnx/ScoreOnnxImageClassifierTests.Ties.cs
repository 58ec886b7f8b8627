using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Microsoft.ML.SharpnessAware.Tests;

// Logits that are different and probabilities that are not.
public sealed partial class ScoreOnnxImageClassifierTests
{
    [TestMethod]
    public void LogitsOfOneProbabilityKeepTheirClassInTheFile()
    {
        const int Count = 12;
        NetworkArchitecture.Register("onnx_tied", classes =>
            nn.Sequential(("flat", nn.Flatten()), ("fc", nn.Linear(Shapes.Size * Shapes.Size, classes))));
        using var folder = new TemporaryFolder();
        List<PixelRow> rows = Shapes.Pixels(Count);
        IDataView data = Fitted.View(_mlContext, rows);
        using SharpnessAwareImageClassificationTransformer trained = Train(data, options => options.Arch = "onnx_tied");
        using (IDisposable noGradient = no_grad())
        {
            Dictionary<string, Tensor> weights = trained.Classifier.Network.state_dict();
            weights["fc.weight"].zero_();
            using Tensor bias = tensor(new[] { 0, 1e-20f, -1 });
            weights["fc.bias"].copy_(bias);
        }

        foreach (double temperature in new[] { 1, 3, 100.0 })
        {
            using SharpnessAwareImageClassificationTransformer scaled = trained.WithTemperature(temperature);
            AssertSecond(scaled);
            AssertSecond(scaled.Append(_mlContext.MulticlassClassification.Calibrators.Temperature().Fit(scaled.Transform(data))));
            using var converted = new MemoryStream();
            _mlContext.Model.ConvertToOnnx(scaled, data, 12, converted);
            NamedOnnxValue labels = NamedOnnxValue.CreateFromTensor(
                "Label", new DenseTensor<string>(Enumerable.Repeat("", Count).ToArray(), [Count, 1]));
            NamedOnnxValue numbers = NamedOnnxValue.CreateFromTensor("Number", new DenseTensor<int>(new int[Count], [Count, 1]));
            AreEqual(Enumerable.Repeat("2", Count).ToArray(),
                [.. Run<uint>(converted.ToArray(), "PredictedLabel.output", labels, numbers).Select(key => $"{key}")]);
        }

        void AssertSecond(ITransformer model)
        {
            string path = folder.File("model.onnx");
            model.SaveOnnx(path);
            AreEqual(Enumerable.Repeat(Shapes.Names[1], Count).ToArray(), Run<string>(File.ReadAllBytes(path), "PredictedLabel"));
            using OnnxImageClassifierTransformer inFile = _mlContext.Transforms.ScoreOnnxImageClassifier(path).Fit(data);
            IDataView scored = inFile.Transform(data);
            Assert.IsTrue(scored.GetColumn<uint>("PredictedLabel").All(key => key == 2));
            Assert.IsTrue(scored.GetColumn<float[]>("Score").All(row => row[1] > row[0]));
            AssertSameColumns(model.Transform(data), scored);
        }

        T[] Run<T>(byte[] file, string output, params NamedOnnxValue[] others)
        {
            using var session = new InferenceSession(file);
            byte[] pixels = [.. rows.SelectMany(row => row.Image)];
            using var results = session.Run([NamedOnnxValue.CreateFromTensor(
                "Image", new DenseTensor<byte>(pixels, [Count, 1, Shapes.Size, Shapes.Size])), .. others]);
            return [.. results.Single(result => result.Name == output).AsEnumerable<T>()];
        }
    }
}
