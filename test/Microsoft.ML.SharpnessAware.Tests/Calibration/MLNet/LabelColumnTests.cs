using Microsoft.ML.Data;
using static Microsoft.ML.SharpnessAware.Tests.TestRows;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class LabelColumnTests
{
    [TestMethod]
    public void KeysOfEveryWidthGiveClassesFromZero()
    {
        CollectionAssert.AreEqual(new long[] { 2, 0, 1 }, Read<byte>([3, 1, 2]));
        CollectionAssert.AreEqual(new long[] { 2, 0, 1 }, Read<ushort>([3, 1, 2]));
        CollectionAssert.AreEqual(new long[] { 2, 0, 1 }, Read<uint>([3, 1, 2]));
        CollectionAssert.AreEqual(new long[] { 2, 0, 1 }, Read<ulong>([3, 1, 2]));
    }

    [TestMethod]
    public void AMissingLabelIsAnErrorThatNamesTheRow()
    {
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Read<uint>([1, 2, 0])).Message;
        StringAssert.Contains(message, "Column 'Label', row 2 (counting from 0): the label is missing");
        StringAssert.Contains(message, "leave it out");
    }

    [TestMethod]
    public void ALabelThatIsNotAKeyIsRefusedWithTheTransformToUse()
    {
        var key = new KeyDataViewType(typeof(uint), 3);
        DataViewType[] wrong = [TextDataViewType.Instance, NumberDataViewType.Single, new VectorDataViewType(key, 2)];
        foreach (DataViewType type in wrong)
        {
            DataViewSchema schema = SchemaOf(type);
            string[] messages =
            [
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LabelColumn.Bind(schema, "Label")).Message,
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LabelColumn.Check(SchemaShape.Create(schema).Single())).Message,
            ];
            foreach (string message in messages)
                StringAssert.Contains(message, "MapValueToKey(\"Label\")");
        }

        LabelColumn.Check(SchemaShape.Create(SchemaOf(key)).Single());
    }

    [TestMethod]
    public void AMissingColumnAndAHashAreRefused()
    {
        DataViewSchema schema = SchemaOf(new KeyDataViewType(typeof(ulong), 1UL << 40));
        StringAssert.Contains(BindError("Class"), "'Class'");
        StringAssert.Contains(BindError("Label"), "hash");

        string BindError(string name) => Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LabelColumn.Bind(schema, name)).Message;
    }

    private static DataViewSchema SchemaOf(DataViewType type)
    {
        var builder = new DataViewSchema.Builder();
        builder.AddColumn("Label", type);
        return builder.ToSchema();
    }

    private static long[] Read<T>(T[] keys)
    {
        var builder = new ArrayDataViewBuilder(Context);
        builder.AddColumn("Label", new KeyDataViewType(typeof(T), 3), keys);
        IDataView data = builder.GetDataView();
        LabelColumn column = LabelColumn.Bind(data.Schema, "Label");
        Assert.AreEqual(3, column.NumberOfClasses);
        using DataViewRowCursor cursor = data.GetRowCursor(column.Column);
        Func<long> read = column.OpenReader(cursor);
        var labels = new List<long>();
        while (cursor.MoveNext())
            labels.Add(read());
        return [.. labels];
    }
}
