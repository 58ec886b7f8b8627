using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.ML.Data;
using Serve;

namespace Microsoft.ML.SharpnessAware.Tests.Samples;

/// <summary>The web service of the documentation, over loopback.</summary>
[TestClass]
public sealed class ServeTests
{
    private static readonly MLContext MLContext = new(seed: 1);
    private static readonly List<EncodedRow> Rows = Shapes.Encoded(90);
    private static IDataView _data = null!;
    private static SharpnessAwareImageClassificationTransformer _trained = null!;

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        _data = Fitted.View(MLContext, Rows);
        _trained = MLContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Options()).Fit(_data);
    }

    [ClassCleanup]
    public static void Clean() => _trained.Dispose();

    [TestMethod]
    public async Task ManyRequestsAtOnceGetTheScoresOfOneThread()
    {
        using var folder = new TemporaryFolder();
        var mlContext = new MLContext(seed: 1);
        List<EncodedRow> rows = Shapes.Encoded(48);
        IDataView data = mlContext.Data.LoadFromEnumerable(rows);
        var pipeline = mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Options()));
        string path = Path.Combine(folder.Path, "model.zip");
        using (TransformerChain<SharpnessAwareImageClassificationTransformer> model = pipeline.Fit(data))
            mlContext.Model.Save(model, data.Schema, path);

        using var pool = new ImageClassifierPool(path);
        await using WebApplication app = PredictionService.Create(["--urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "None"],
            Task.FromResult(pool));
        await app.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };

        Prediction[] answers = await Task.WhenAll(rows.Take(16).Select(row => Ask(client, row.Image)));

        foreach ((EncodedRow row, Prediction answer) in rows.Zip(answers))
        {
            CollectionAssert.AreEqual(pool.Predict(row.Image).Classes.ToArray(), answer.Classes.ToArray());
            Assert.AreEqual(1, answer.Classes.Sum(entry => entry.Probability), 1e-5);
            Assert.IsNull(answer.Set);
            Assert.IsNull(answer.EmptyMeansSure);
            Assert.IsNull(answer.Accepted);
        }

        using HttpResponseMessage bad = await client.PostAsync("/predict", new ByteArrayContent([1, 2, 3]));
        Assert.AreEqual(HttpStatusCode.BadRequest, bad.StatusCode);
        await app.StopAsync();
    }

    [TestMethod]
    public async Task AnOnnxModelAnswersAsTheModelThatItWasSavedFrom()
    {
        using var folder = new TemporaryFolder();
        var mlContext = new MLContext(seed: 1);
        List<EncodedRow> rows = Shapes.Encoded(48);
        var pipeline = mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(Options()));
        IDataView data = mlContext.Data.LoadFromEnumerable(rows);
        using TransformerChain<SharpnessAwareImageClassificationTransformer> model = pipeline.Fit(data);
        mlContext.Model.Save(model, data.Schema, folder.File("model.zip"));
        model.SaveOnnx(folder.File("model.onnx"));
        using var pool = new ImageClassifierPool(folder.File("model.zip"));
        using var onnx = new ImageClassifierPool(folder.File("model.onnx"));
        await using WebApplication app = PredictionService.Create(["--urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "None"],
            Task.FromResult(onnx));
        await app.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        Prediction[] answers = await Task.WhenAll(rows.Take(16).Select(row => Ask(client, row.Image)));

        foreach ((EncodedRow row, Prediction answer) in rows.Zip(answers))
        {
            foreach ((ClassProbability expected, ClassProbability actual) in pool.Predict(row.Image).Classes.Zip(answer.Classes))
            {
                Assert.AreEqual(expected.Name, actual.Name);
                Assert.AreEqual(expected.Probability, actual.Probability, 1e-5f);
            }
        }
        using HttpResponseMessage bad = await client.PostAsync("/predict", new ByteArrayContent([1, 2, 3]));
        Assert.AreEqual(HttpStatusCode.BadRequest, bad.StatusCode);
        Assert.Contains("Drop a picture", await client.GetStringAsync("/"));
        await app.StopAsync();
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void WhatTheModelWouldRatherNotDecideIsInTheAnswer(bool inOnnx)
    {
        using var folder = new TemporaryFolder();
        using OnnxImageClassifierTransformer? onnx = inOnnx ? Onnx(folder) : null;
        ITransformer model = onnx is null ? _trained : onnx;
        IDataView scored = _trained.Transform(_data);
        var decisions = MLContext.MulticlassClassification.Decisions;
        ITransformer deciding = model.Append(decisions.PredictionSets(0.8, PredictionSetScore.LeastAmbiguous).Fit(scored))
            .Append(decisions.Abstain(0.5).Fit(scored));
        MLContext.Model.Save(deciding, _data.Schema, folder.File("model.zip"));

        using var pool = new ImageClassifierPool(folder.File("model.zip"));

        Decided[] expected = [.. MLContext.Data.CreateEnumerable<Decided>(deciding.Transform(_data), reuseRowObject: false)];
        foreach ((EncodedRow row, Decided decided) in Rows.Zip(expected))
        {
            Prediction answer = pool.Predict(row.Image);
            CollectionAssert.AreEqual(
                decided.PredictionSet.Select(key => _trained.ClassNames[(int)key - 1]).ToArray(), answer.Set!.ToArray());
            Assert.AreEqual(0.8, answer.Coverage);
            Assert.AreEqual(decided.Accepted, answer.Accepted);
        }
    }

    /// <summary>As the sample CalibrateText makes its model.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void SetsThatWereMadeNamesInPlaceAreServed(bool withTheLabel)
    {
        using var folder = new TemporaryFolder();
        IDataView scored = _trained.Transform(_data);
        PredictionSetTransformer sets =
            MLContext.MulticlassClassification.Decisions.PredictionSets(0.8, PredictionSetScore.LeastAmbiguous).Fit(scored);
        IDataView decided = sets.Transform(scored);
        InputOutputColumnPair[] columns = [new("PredictionSet"), .. withTheLabel ? [new("PredictedLabel")] : (InputOutputColumnPair[])[]];
        ITransformer names = MLContext.Transforms.Conversion.MapKeyToValue(columns).Fit(decided);
        MLContext.Model.Save(_trained.Append(sets).Append(names), _data.Schema, folder.File("model.zip"));

        using var pool = new ImageClassifierPool(folder.File("model.zip"));

        uint[][] expected = [.. decided.GetColumn<uint[]>("PredictionSet")];
        Assert.IsTrue(expected.Any(set => set.Length > 0));
        for (int i = 0; i < Rows.Count; i++)
        {
            CollectionAssert.AreEqual(expected[i].Select(key => _trained.ClassNames[(int)key - 1]).ToArray(),
                pool.Predict(Rows[i].Image).Set!.ToArray());
        }
    }

    [TestMethod]
    public void AnEmptySetComesWithWhatItMeans()
    {
        using var folder = new TemporaryFolder();
        IDataView scored = _trained.Transform(_data);
        foreach (PredictionSetScore score in Enum.GetValues<PredictionSetScore>())
        {
            string path = folder.File($"{score}.zip");
            MLContext.Model.Save(_trained.Append(MLContext.MulticlassClassification.Decisions.PredictionSets(0.5, score).Fit(scored)),
                _data.Schema, path);
            using var pool = new ImageClassifierPool(path);
            Prediction[] answers = [.. Rows.Select(row => pool.Predict(row.Image))];

            Assert.IsTrue(answers.All(answer => answer.EmptyMeansSure == (score != PredictionSetScore.LeastAmbiguous)));
            Prediction[] empty = [.. answers.Where(answer => answer.Set!.Count == 0)];
            Assert.IsNotEmpty(empty, $"{score}");
            double Largest(Prediction[] of) => of.Average(answer => answer.Classes[0].Probability);
            Assert.AreEqual(score != PredictionSetScore.LeastAmbiguous, Largest(empty) > Largest(answers), $"{score}");
        }
    }

    /// <summary>Of two decisions of a kind the answer has the last, whatever their columns are called.</summary>
    [TestMethod]
    [DataRow("PredictionSet", "Classes", "Sure", true)]
    [DataRow("Classes", "PredictionSet", "Sure", false)]
    [DataRow("Classes", "Classes", "Accepted", false)]
    public void TheAnswerIsThatOfOneDecision(string first, string second, string accepted, bool inOnnx)
    {
        using var folder = new TemporaryFolder();
        using OnnxImageClassifierTransformer? onnx = inOnnx ? Onnx(folder) : null;
        ITransformer model = onnx is null ? _trained : onnx;
        IDataView scored = _trained.Transform(_data);
        var decisions = MLContext.MulticlassClassification.Decisions;
        PredictionSetTransformer sets =
            decisions.PredictionSets(0.8, PredictionSetScore.LeastAmbiguous, outputColumnName: second).Fit(scored);
        AbstentionTransformer abstention = decisions.Abstain(0.5, outputColumnName: accepted).Fit(scored);
        MLContext.Model.Save(model.Append(decisions.PredictionSets(0.99, outputColumnName: first).Fit(scored)).Append(sets)
            .Append(abstention), _data.Schema, folder.File("model.zip"));

        using var pool = new ImageClassifierPool(folder.File("model.zip"));

        uint[][] expected = [.. sets.Transform(scored).GetColumn<uint[]>(second)];
        bool[] isSure = [.. abstention.Transform(scored).GetColumn<bool>(accepted)];
        Assert.IsTrue(isSure.Any(sure => sure) && expected.Any(set => set.Length > 0));
        for (int i = 0; i < Rows.Count; i++)
        {
            Prediction answer = pool.Predict(Rows[i].Image);
            CollectionAssert.AreEqual(expected[i].Select(key => _trained.ClassNames[(int)key - 1]).ToArray(), answer.Set!.ToArray());
            Assert.AreEqual(0.8, answer.Coverage);
            Assert.AreEqual(isSure[i], answer.Accepted);
        }
    }

    [TestMethod]
    [DataRow("no such model.zip")]
    [DataRow("no such model.onnx")]
    [DataRow("notes.zip")]
    public void AModelThatCannotBeLoadedEndsTheProcessWithAMessage(string name)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("notes.zip"), "no model");
        (int exitCode, string output, string error) =
            ChildProcess.Run(typeof(PredictionService).Assembly.Location, [folder.File(name), "--urls", "http://127.0.0.1:0"]);

        Assert.AreEqual(1, exitCode, error);
        Assert.AreEqual("", output);
        StringAssert.Contains(error, $"{name}' cannot be served: ");
        Assert.HasCount(1, error.TrimEnd().Split('\n'), error);
    }

    /// <summary>The picture is not to blame.</summary>
    [TestMethod]
    public async Task AModelThatIsNotThereIsNoBadRequest()
    {
        await using WebApplication app = PredictionService.Create(["--urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "None"],
            Task.FromException<ImageClassifierPool>(new InvalidOperationException("There is no model.")));
        await app.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };

        using HttpResponseMessage answer = await client.PostAsync("/predict", new ByteArrayContent([1]));

        Assert.AreEqual(HttpStatusCode.InternalServerError, answer.StatusCode);
        await app.StopAsync();
    }

    /// <summary>What is announced is neither believed nor waited for.</summary>
    [TestMethod]
    [DataRow("20971521")]
    [DataRow("2000000000")]
    [DataRow("3000000000")]
    [DataRow("9223372036854775807")]
    public async Task APictureThatIsTooLargeIsRefusedBeforeItIsSent(string length)
    {
        await using WebApplication app = PredictionService.Create(["--urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "None"],
            Task.FromException<ImageClassifierPool>(new InvalidOperationException("No model is needed.")));
        await app.StartAsync();
        using var client = new TcpClient("127.0.0.1", new Uri(app.Urls.Single()).Port);
        long before = GC.GetTotalAllocatedBytes();
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"));
        using var reader = new StreamReader(client.GetStream());
        string answer = await reader.ReadToEndAsync();
        long allocated = GC.GetTotalAllocatedBytes() - before;

        StringAssert.StartsWith(answer, "HTTP/1.1 413 ");
        StringAssert.Contains(answer, """{"error":"A picture may have at most 20 MB."}""");
        Assert.IsLessThan(1L << 30, allocated);
        await app.StopAsync();
    }

    private sealed class Decided
    {
        public uint[] PredictionSet { get; set; } = [];

        public bool Accepted { get; set; }
    }

    private static OnnxImageClassifierTransformer Onnx(TemporaryFolder folder)
    {
        _trained.SaveOnnx(folder.File("model.onnx"));
        return MLContext.Transforms.ScoreOnnxImageClassifier(folder.File("model.onnx")).Fit(_data);
    }

    private static SharpnessAwareImageClassificationTrainer.Options Options()
    {
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.ImageWidth = options.ImageHeight = Shapes.Size;
        return options;
    }

    private static async Task<Prediction> Ask(HttpClient client, byte[] image)
    {
        using HttpResponseMessage response = await client.PostAsync("/predict", new ByteArrayContent(image));
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<Prediction>())!;
    }
}
