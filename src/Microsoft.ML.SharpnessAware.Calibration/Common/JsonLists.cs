using System.Text.Json.Serialization;

namespace Microsoft.ML.SharpnessAware;

/// <summary>How lists are written as JSON in files. The compiler writes the code: looking at types at run time is turned off in programs
/// that may be compiled ahead of time, and .NET takes every program of a single file for such a one.</summary>
[JsonSerializable(typeof(string[]))]
[JsonSerializable(typeof(byte[][]))]
internal sealed partial class JsonLists : JsonSerializerContext;
