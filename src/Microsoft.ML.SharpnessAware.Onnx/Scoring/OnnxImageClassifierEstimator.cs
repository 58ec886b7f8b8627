using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Makes an <see cref="OnnxImageClassifierTransformer"/>; there is nothing to fit, and of the data only the schema is
/// read.</summary>
internal sealed class OnnxImageClassifierEstimator : IEstimator<OnnxImageClassifierTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly byte[] _file;
    private readonly string _source;
    private readonly Action<SessionOptions>? _configure;
    private readonly OnnxMetadata _metadata;
    private readonly OnnxColumnNames _names;
    private OnnxClassifier? _loaded;    // for the first that is fitted

    public OnnxImageClassifierEstimator(IHostEnvironment environment, string path, string? featureColumnName, string? scoreColumnName,
        string? predictedLabelColumnName, Action<SessionOptions>? configure)
    {
        _environment = environment;
        _source = $"'{path}'";
        _configure = configure;
        _file = Read(path);
        _loaded = Load();
        _metadata = _loaded.Metadata;
        _names = new OnnxColumnNames(featureColumnName ?? _loaded.InputName, scoreColumnName ?? _loaded.ScoreName,
            predictedLabelColumnName ?? _loaded.PredictedLabelName);
        try
        {
            CheckNames();
        }
        catch
        {
            _loaded.Dispose();
            throw;
        }

        string[] others = [.. _loaded.OtherOutputs.Except(DecisionSchema().Select(each => each.Name))];
        if (others.Length == 0)
            return;
        using IChannel channel = environment.Register(nameof(OnnxImageClassifierEstimator)).Start("Reading a model");
        channel.Warning($"{_source} also gives {string.Join(", ", others)}, which are not added as columns. Append the " +
            "prediction sets or the abstention to the pipeline, or save the file again by this version.");
    }

    /// <exception cref="ArgumentOutOfRangeException">The feature column is missing or of a type that the model does not take.</exception>
    public OnnxImageClassifierTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        ImageColumn.Bind(input.Schema, _names.Feature, _metadata.Shape, _metadata.PixelType, _metadata.Resizing);
        return new OnnxImageClassifierTransformer(_environment, Interlocked.Exchange(ref _loaded, null) ?? Load(), _names);
    }

    /// <exception cref="ArgumentOutOfRangeException">The feature column is missing or of a type that is not read.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        ImageColumn.Check(NamedColumn.Find(inputSchema, _names.Feature, "feature"));
        var columns = inputSchema.ToDictionary(each => each.Name);
        foreach (SchemaShape.Column column in ScoreColumns.Shapes(_names.Score, _names.PredictedLabel, LabelShape()))
            columns[column.Name] = column;
        foreach (SchemaShape.Column column in SchemaShape.Create(DecisionSchema())
            .Where(each => each.Name != _names.Score && each.Name != _names.PredictedLabel))
            columns[column.Name] = column;
        return new SchemaShape(columns.Values);
    }

    private static byte[] Read(string path)
    {
        if (Directory.Exists(path))
            throw new IOException($"'{path}' is a folder; an ONNX model is one file.");
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no file '{path}'.", path);
        return File.ReadAllBytes(path);
    }

    /// <exception cref="ArgumentException">Two of the columns would have one name, so that one would hide the other.</exception>
    private void CheckNames()
    {
        if (_names.Score == _names.PredictedLabel)
        {
            throw new ArgumentException($"scoreColumnName and predictedLabelColumnName are both '{_names.Score}', so that one would hide " +
                "the other.");
        }

        string? taken = DecisionSchema().Where(column => column.IsHidden).Select(column => column.Name).FirstOrDefault();
        if (taken is not null)
        {
            throw new ArgumentException($"A prediction set or an abstention in {_source} gives a column '{taken}', which would hide that " +
                "of this name: give scoreColumnName or predictedLabelColumnName another one.");
        }
    }

    /// <summary>Score and PredictedLabel, and what the decisions in the file add.</summary>
    private DataViewSchema DecisionSchema()
    {
        var schema = new DataViewSchema.Builder();
        foreach (DataViewSchema.DetachedColumn column in ScoreColumns.Create(new DataViewSchema.Builder().ToSchema(), _names.Score,
            _names.PredictedLabel, _metadata.ClassNames.Count, _metadata.LabelValues))
            schema.AddColumn(column.Name, column.Type, column.Annotations);
        return OnnxDecisions.Of(_metadata, _names.Score)
            .Aggregate(schema.ToSchema(), (before, decision) => decision.GetOutputSchema(before));
    }

    private OnnxClassifier Load() => OnnxClassifier.Load(_environment, _file, _source, _configure);

    /// <summary>The label that the model was trained on.</summary>
    private SchemaShape.Column LabelShape()
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        _metadata.LabelValues?.AddTo(annotations, AnnotationUtils.Kinds.KeyValues);
        var schema = new DataViewSchema.Builder();
        schema.AddColumn(DefaultColumnNames.Label, new KeyDataViewType(typeof(uint), _metadata.ClassNames.Count),
            annotations.ToAnnotations());
        return SchemaShape.Create(schema.ToSchema())[0];
    }
}
