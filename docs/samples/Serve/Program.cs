using Serve;

// dotnet run -c Release --project docs/samples/Serve -- <model.zip or model.onnx>
// curl --data-binary @picture.jpg http://localhost:5000/predict
// and in a browser http://localhost:5000
//
// A model.zip is one of mlContext.Model.Save, scored by libtorch; a model.onnx is one of SaveOnnx with Resize = true and
// PixelOrder = OnnxPixelOrder.ChannelsLast, scored by ONNX Runtime. Published with -p:OnnxOnly=true, libtorch stays out.
if (args is not [string modelPath, ..])
{
    Console.Error.WriteLine("dotnet run -c Release --project docs/samples/Serve -- <model file>");
    return 1;
}

using IImageClassifier classifier = Path.GetExtension(modelPath) == ".onnx" ? new OnnxImageClassifier(modelPath) : Load(modelPath);
await PredictionService.Create(args[1..], classifier).RunAsync();
return 0;

#if ONNX_ONLY
static IImageClassifier Load(string path) => throw new NotSupportedException($"'{path}' is no .onnx file, and this is built for these " +
    "alone.");
#else
static IImageClassifier Load(string path) => new ImageClassifierPool(path);
#endif
