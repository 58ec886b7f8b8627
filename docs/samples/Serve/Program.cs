using Serve;

// dotnet run -c Release --project docs/samples/Serve -- model.zip
// curl --data-binary @picture.jpg http://localhost:5000/predict
if (args is not [string modelPath, ..])
{
    Console.Error.WriteLine("dotnet run -c Release --project docs/samples/Serve -- <model file>");
    return 1;
}

using var pool = new ImageClassifierPool(modelPath);
await PredictionService.Create(args[1..], pool).RunAsync();
return 0;
