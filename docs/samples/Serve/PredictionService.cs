using System.Text.Json.Serialization;

namespace Serve;

/// <summary>POST /predict with an image file as body answers with the probability of each class, and what the model would rather
/// not decide; / is a page to drop a picture on.</summary>
internal static class PredictionService
{
    private const int LargestImageInMB = 20;

    public static WebApplication Create(string[] args, Task<ImageClassifierPool> classifier)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
        builder.Services.ConfigureHttpJsonOptions(json =>
            json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull);
        builder.WebHost.ConfigureKestrel(server => server.Limits.MaxRequestBodySize = LargestImageInMB << 20);
        WebApplication app = builder.Build();
        // A picture a processor: more at a time would only take more memory.
        var processors = new SemaphoreSlim(Environment.ProcessorCount);
        app.MapPost("/predict", async (HttpRequest request) =>
        {
            using var body = new MemoryStream();        // not as large as the request says it is, before that is checked
            try
            {
                await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
            }
            catch (BadHttpRequestException exception)
            {
                string error = exception.StatusCode == StatusCodes.Status413PayloadTooLarge
                    ? $"A picture may have at most {LargestImageInMB} MB." : exception.Message;
                return Results.Json(new { error }, statusCode: exception.StatusCode);
            }

            ImageClassifierPool pool = await classifier;
            await processors.WaitAsync(request.HttpContext.RequestAborted);
            try
            {
                return Results.Ok(pool.Predict(body.ToArray()));
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
