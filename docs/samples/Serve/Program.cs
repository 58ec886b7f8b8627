using Serve;

// dotnet run -c Release --project docs/samples/Serve -- <model.zip or model.onnx>
// curl --data-binary @picture.jpg http://localhost:5000/predict
// and in a browser http://localhost:5000
//
// A model.onnx is one of SaveOnnx. A model.zip is one of mlContext.Model.Save: a trained model, scored by libtorch, or a pipeline that
// begins with ScoreOnnxImageClassifier. Prediction sets and abstention that follow in it are shown. Published with -p:OnnxOnly=true,
// libtorch stays out.
if (args is not [string modelPath, ..])
{
    Console.Error.WriteLine("dotnet run -c Release --project docs/samples/Serve -- <model file>");
    return 1;
}

// The model is loaded while the web server is put together.
Task<ImageClassifierPool> loading = Task.Run(() => new ImageClassifierPool(modelPath));
await using WebApplication service = PredictionService.Create(args[1..], loading);
ImageClassifierPool classifier;
try
{
    classifier = await loading;
}
catch (Exception exception) when (exception is not OutOfMemoryException)
{
    Console.Error.WriteLine($"'{modelPath}' cannot be served: {exception.GetBaseException().Message}");
    return 1;
}

using (classifier)
    await service.RunAsync();
return 0;
