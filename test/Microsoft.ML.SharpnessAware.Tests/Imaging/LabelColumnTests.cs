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
        DataViewType[] wrong = [TextDataViewType.Instance, NumberDataViewType.Single, new VectorDataViewType(new KeyDataViewType(typeof(uint), 3), 2)];
        foreach (DataViewType type in wrong)
        {
            DataViewSchema schema = SchemaOf(type);
            StringAssert.Contains(
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LabelColumn.Bind(schema, "Label")).Message, "MapValueToKey(\"Label\")");
            StringAssert.Contains(
                Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LabelColumn.Check(SchemaShape.Create(schema).Single())).Message,
                "MapValueToKey(\"Label\")");
        }

        LabelColumn.Check(SchemaShape.Create(SchemaOf(new KeyDataViewType(typeof(uint), 3))).Single());
    }

    [TestMethod]
    public void AMissingColumnAndAHashAreRefused()
    {
        DataViewSchema schema = SchemaOf(new KeyDataViewType(typeof(ulong), 1UL << 40));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LabelColumn.Bind(schema, "Class")).Message, "'Class'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LabelColumn.Bind(schema, "Label")).Message, "hash");
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
