using System.Reflection;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>ML.NET finds the class that reads a part of a model file by names, of which no two assemblies may have the same.</summary>
[TestClass]
public sealed class LoadableClassTests
{
    private static readonly Assembly[] Shipped =
    [
        typeof(CalibrationCatalog).Assembly, typeof(ImagingCatalog).Assembly, typeof(OnnxImageClassifierTransformer).Assembly,
        typeof(SharpnessAwareImageClassificationTrainer).Assembly,
    ];

    [TestMethod]
    public void AllPackagesStandInOneCatalogInAnyOrder()
    {
        for (int first = 0; first < Shipped.Length; first++)
        {
            var mlContext = new MLContext();
            foreach (Assembly assembly in Shipped.Skip(first).Concat(Shipped.Take(first)).Reverse())
                mlContext.ComponentCatalog.RegisterAssembly(assembly);
        }
    }

    /// <summary>As docs/getting-started.md builds it, with other transforms of pictures between the files and the trainer.</summary>
    [TestMethod]
    public void AModelThatDecodesItsPicturesIsLoaded()
    {
        var mlContext = new MLContext(1);
        IDataView data = mlContext.Data.LoadFromEnumerable(Shapes.Encoded(24));
        SharpnessAwareImageClassificationTrainer.Options options = Fitted.QuickOptions();
        options.Epoch = 1;
        ITransformer model = mlContext.Transforms.Conversion.MapValueToKey("Label").Append(mlContext.Transforms.DecodeImages("Image"))
            .Append(mlContext.Transforms.ResizeImages("Image", 12, 12))
            .Append(mlContext.MulticlassClassification.Trainers.SharpnessAwareImageClassification(options)).Fit(data);
        using var file = new MemoryStream();
        mlContext.Model.Save(model, data.Schema, file);

        ITransformer loaded = new MLContext().Model.Load(file, out _);
        float[][] expected = Fitted.Scores(mlContext, model.Transform(data)), actual = Fitted.Scores(mlContext, loaded.Transform(data));
        for (int row = 0; row < 24; row++)
            CollectionAssert.AreEqual(expected[row], actual[row]);
    }

    /// <summary>A file names the version of the assembly that reads it, and .NET loads none that is older: with another number in each
    /// release, no release would read the models of a later one, whatever the versions in the file say.</summary>
    [TestMethod]
    public void AReleaseDoesNotChangeTheVersionThatFilesName()
    {
        foreach (Assembly assembly in Shipped)
            Assert.AreEqual(new Version(1, 0, 0, 0), assembly.GetName().Version, assembly.GetName().Name);
    }
}
