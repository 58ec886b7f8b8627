using System.Text.Json.Serialization;

namespace Serve;

/// <summary>POST /predict with an image file as body answers with the probability of each class, and what the model would rather
/// not decide; / is a page to drop a picture on.</summary>
internal static class PredictionService
{
    private const long LargestImage = 20 << 20;

    public static WebApplication Create(string[] args, Task<ImageClassifierPool> classifier)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
        builder.Services.ConfigureHttpJsonOptions(json =>
            json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull);
        builder.WebHost.ConfigureKestrel(server => server.Limits.MaxRequestBodySize = LargestImage);
        WebApplication app = builder.Build();
        // A picture a processor: more at a time would only take more memory.
        var processors = new SemaphoreSlim(Environment.ProcessorCount);
        app.MapPost("/predict", async (HttpRequest request) =>
        {
            using var body = new MemoryStream((int)(request.ContentLength ?? 0));
            await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
            await processors.WaitAsync(request.HttpContext.RequestAborted);
            try
            {
                return Results.Ok((await classifier).Predict(body.ToArray()));
            }
            catch (InvalidOperationException exception)
            {
                return Results.BadRequest(new { error = exception.Message });       // not an image, for instance
            }
            finally
            {
                processors.Release();
            }
        });
        string page = Page();
        app.MapGet("/", () => Results.Content(page, "text/html"));
        return app;
    }

    private static string Page()
    {
        using var reader = new StreamReader(typeof(PredictionService).Assembly.GetManifestResourceStream("Page.html")!);
        return reader.ReadToEnd();
    }
}
