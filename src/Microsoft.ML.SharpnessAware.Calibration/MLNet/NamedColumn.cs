namespace Microsoft.ML.SharpnessAware;

/// <summary>Finds columns by name. An error names the column, what it is for, and the columns that there are.</summary>
internal static class NamedColumn
{
    /// <param name="schema">Where to look.</param>
    /// <param name="name">The name of the column.</param>
    /// <param name="role">What it is for, such as "label".</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name, string role) =>
        schema.GetColumnOrNull(name) ?? throw Missing(nameof(schema), name, role, schema.Select(column => column.Name));

    /// <inheritdoc cref="Find(DataViewSchema, string, string)"/>
    public static SchemaShape.Column Find(SchemaShape schema, string name, string role) =>
        schema.TryFindColumn(name, out SchemaShape.Column column)
            ? column
            : throw Missing("inputSchema", name, role, schema.Select(other => other.Name));

    private static ArgumentOutOfRangeException Missing(string parameter, string name, string role, IEnumerable<string> columns) =>
        new(parameter, $"Could not find {role} column '{name}'. The data has: {string.Join(", ", columns)}.");
}
