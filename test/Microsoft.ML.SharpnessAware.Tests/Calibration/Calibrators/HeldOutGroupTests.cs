using Microsoft.ML.Data;

namespace Microsoft.ML.SharpnessAware.Tests.Calibration;

/// <summary>Rows that belong together are kept together, whatever the column is and whatever the rows were split by before.</summary>
[TestClass]
public sealed class HeldOutGroupTests
{
    private const int RowsOfEach = 5;

    public static IEnumerable<object?[]> ColumnsAndSeeds =>
        from column in new[]
        {
            nameof(Row.Patient), nameof(Row.Guid), nameof(Row.Integer), nameof(Row.Long), nameof(Row.Byte), nameof(Row.Single),
            nameof(Row.Double), nameof(Row.Date), nameof(Row.Time), nameof(Row.Key), nameof(Row.WideKey),
        }
        from seed in new int?[] { 1, null }
        where seed == 1 || column is nameof(Row.Patient) or nameof(Row.Key)
        select new object?[] { column, seed };

    [TestMethod]
    [DynamicData(nameof(ColumnsAndSeeds))]
    public void CrossFittedWorksInCrossValidateCalibrationByTheSameColumn(string column, int? seed)
    {
        var groups = new Groups(seed);
        var folds = groups.Catalog.CrossValidateCalibration(groups.Data(Rows(40)), groups.CrossFitted(5, column),
            samplingKeyColumnName: column);
        Assert.HasCount(5, folds);
        Assert.HasCount(5 * 6, groups.Fits);
        Assert.AreEqual(200, folds.Sum(fold => fold.Metrics.Count));
        Assert.IsTrue(groups.Fits.All(IsWhole));
    }

    [TestMethod]
    [DynamicData(nameof(ColumnsAndSeeds))]
    public void CrossFittedAndHeldOutWorkInCrossValidateByTheSameColumn(string column, int? seed)
    {
        var groups = new Groups(seed);
        IDataView data = groups.Data(Rows(200));
        groups.Catalog.CrossValidate(data, groups.CrossFitted(3, column), 2, samplingKeyColumnName: column);
        Assert.HasCount(2 * 4, groups.Fits);
        Assert.IsTrue(groups.Fits.All(IsWhole));
        groups.Fits.Clear();
        groups.Catalog.CrossValidate(data, groups.HeldOut(0.25, column), 4, samplingKeyColumnName: column);
        Assert.AreEqual(3000 * 0.75, groups.Fits.Sum(rows => rows.Length), 4 * RowsOfEach);
        Assert.IsTrue(groups.Fits.All(IsWhole));
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow(nameof(Row.Patient))]
    public void ASeedDecidesWhichRowsAreHeldOutWhateverTheContext(string? column)
    {
        int[][] first = Fits(context: 1, seed: 5), again = Fits(context: 2, seed: 5), other = Fits(context: 1, seed: 6);
        Assert.HasCount(1 + 4, first);
        for (int fit = 0; fit < first.Length; fit++)
        {
            CollectionAssert.AreEqual(first[fit], again[fit]);
            if (fit < first.Length - 1)     // the last is of all rows
                CollectionAssert.AreNotEqual(first[fit], other[fit]);
        }

        int[][] Fits(int context, int seed)
        {
            var groups = new Groups(context);
            groups.HeldOut(0.25, column, seed).Fit(groups.Data(Rows(40)));
            groups.CrossFitted(3, column, seed).Fit(groups.Data(Rows(40)));
            return [.. groups.Fits];
        }
    }

    [TestMethod]
    [DynamicData(nameof(ColumnsAndSeeds))]
    public void HeldOutGetsItsShareAfterASplitByTheSameColumn(string column, int? seed)
    {
        var groups = new Groups(seed);
        foreach (double testShare in new[] { 0.1, 0.2, 0.25, 0.5 })
        {
            DataOperationsCatalog.TrainTestData split = groups.Context.Data.TrainTestSplit(groups.Data(Rows(200)), testShare, column);
            int rows = split.TrainSet.GetColumn<int>(nameof(Row.Index)).Count();
            groups.Fits.Clear();
            groups.HeldOut(0.25, column).Fit(split.TrainSet);
            Assert.AreEqual(0.75 * rows, groups.Fits.Single().Length, RowsOfEach);
            Assert.IsTrue(IsWhole(groups.Fits.Single()));
        }
    }

    [TestMethod]
    [DynamicData(nameof(ColumnsAndSeeds))]
    public void TheyNestInEachOther(string column, int? seed)
    {
        var groups = new Groups(seed);
        IDataView data = groups.Data(Rows(32));
        MulticlassCalibratorEstimator again = groups.Catalog.Calibrators.Vector();
        groups.Catalog.Calibrators.HeldOut(groups.HeldOut(0.25, column), again, 0.25, column).Fit(data);
        Assert.AreEqual(32 * 9 / 16 * RowsOfEach, groups.Fits.Single().Length);
        groups.Fits.Clear();
        groups.Catalog.Calibrators.CrossFitted(groups.CrossFitted(3, column), again, 3, column).Fit(data);
        Assert.HasCount(4 * 4, groups.Fits);
        Assert.IsTrue(groups.Fits.All(IsWhole));
    }

    /// <summary>ML.NET takes numbers and keys in their order.</summary>
    [TestMethod]
    [DynamicData(nameof(ColumnsAndSeeds))]
    public void GroupsAreDrawnAtRandomByTheSeed(string column, int? seed)
    {
        int[] drawn = Draw(seed);
        CollectionAssert.AreEqual(drawn, Draw(seed));
        CollectionAssert.AreNotEqual(drawn, Draw(99));
        Assert.AreEqual(100, drawn.Average() / RowsOfEach, 12);

        int[] Draw(int? seed)
        {
            var groups = new Groups(seed);
            groups.HeldOut(0.25, column).Fit(groups.Data(Rows(200)));
            return groups.Fits.Single();
        }
    }

    [TestMethod]
    public void AFewGroupsAreEnough()
    {
        foreach (int cameras in new[] { 2, 3, 5, 8, 12 })
        {
            for (int seed = 0; seed < 5; seed++)
            {
                var groups = new Groups(seed);
                IDataView data = groups.Data(Rows(cameras));
                groups.CrossFitted(5, nameof(Row.Patient)).Fit(data);
                Assert.HasCount(Math.Min(5, cameras) + 1, groups.Fits);
                Assert.HasCount(cameras * RowsOfEach, groups.Fits[^1]);
                groups.Fits.Clear();
                groups.HeldOut(0.25, nameof(Row.Patient)).Fit(data);
                Assert.AreEqual(0.75 * cameras, groups.Fits.Single().Length / (double)RowsOfEach, 0.5);
            }
        }
    }

    [TestMethod]
    public void TwoGroupsByABooleanAreEnoughAndOneIsRefusedBeforeTheTraining()
    {
        var groups = new Groups(1);
        groups.CrossFitted(5, nameof(Row.Boolean)).Fit(groups.Data(Rows(20)));
        Assert.HasCount(3, groups.Fits);
        groups.Fits.Clear();
        foreach (IEstimator<ITransformer> estimator in new[]
            { groups.CrossFitted(5, nameof(Row.Patient)), groups.HeldOut(0.25, nameof(Row.Patient)) })
        {
            string message = Assert.ThrowsExactly<InvalidOperationException>(() => estimator.Fit(groups.Data(Rows(1)))).Message;
            StringAssert.Contains(message, "'Patient'");
        }

        Assert.IsEmpty(groups.Fits);
    }

    [TestMethod]
    public void AsManyGroupsAsRowsAreDividedExactly()
    {
        var groups = new Groups(1);
        groups.HeldOut(0.25, nameof(Row.Index)).Fit(groups.Data(Rows(20)));
        Assert.HasCount(75, groups.Fits.Single());
        groups.Fits.Clear();
        groups.CrossFitted(10, nameof(Row.Index)).Fit(groups.Data(Rows(20)));
        Assert.IsTrue(groups.Fits.Take(10).All(rows => rows.Length == 90));
    }

    [TestMethod]
    public void FewRowsInManyFoldsAreEnough()
    {
        for (int seed = 0; seed < 5; seed++)
        {
            var groups = new Groups(seed);
            groups.CrossFitted(40, null).Fit(groups.Data(Rows(3)));
            Assert.IsInRange(3, 16, groups.Fits.Count);
        }
    }

    [TestMethod]
    public void APartWhoseRowsHaveNoLabelContributesNothing()
    {
        var groups = new Groups(1);
        Row[] rows = Rows(6);
        foreach (Row row in rows.Where(row => row.Index / RowsOfEach == 2))
            row.Label = uint.MaxValue;
        groups.CrossFitted(6, nameof(Row.Patient)).Fit(groups.Data(rows));
        Assert.HasCount(7, groups.Fits);

        foreach (Row row in rows)
            row.Label = uint.MaxValue;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => groups.CrossFitted(6, nameof(Row.Patient)).Fit(groups.Data(rows))).Message, "'Label'");
    }

    [TestMethod]
    public void NoRowIsLostForWantOfAValue()
    {
        Row[] rows = Rows(40);
        foreach (Row row in rows.Where(row => row.Index % 3 == 0))
        {
            (row.Patient, row.Guid, row.Single, row.Double) = ("", null, float.NaN, double.NaN);
            (row.Key, row.WideKey) = (uint.MaxValue, ulong.MaxValue);
        }

        foreach (string column in new[] { nameof(Row.Patient), nameof(Row.Guid), nameof(Row.Single), nameof(Row.Double), nameof(Row.Key),
            nameof(Row.WideKey) })
        {
            var groups = new Groups(1);
            groups.HeldOut(0.25, column).Fit(groups.Data(rows));
            Assert.AreEqual(150, groups.Fits.Single().Length, 3, column);
            Assert.AreEqual(50, groups.Fits.Single().Count(index => index % 3 == 0), 12, column);
            Assert.AreEqual(200, groups.Catalog.CrossValidateCalibration(groups.Data(rows), groups.HeldOut(0.25, column), 4,
                samplingKeyColumnName: column).Sum(fold => fold.Metrics.Count), column);
        }
    }

    private static bool IsWhole(int[] rows) => rows.GroupBy(index => index / RowsOfEach).All(group => group.Count() == RowsOfEach);

    private static Row[] Rows(int groups)
    {
        var random = new Random(5);
        return
        [
            .. Enumerable.Range(0, groups * RowsOfEach).Select(i =>
            {
                int group = i / RowsOfEach;
                byte[] guid = new byte[16];
                new Random(group).NextBytes(guid);
                return new Row
                {
                    Index = i,
                    Label = (uint)(i % 2),
                    Features = [random.NextSingle() - i % 2, random.NextSingle() - 0.5f],
                    Patient = $"patient {group}",
                    Guid = new Guid(guid).ToString(),
                    Integer = 7 * group - 50,
                    Long = (1L << 40) * group,
                    Byte = (byte)group,
                    Single = 0.1f * group - 3,
                    Double = Math.Exp(0.1 * group),
                    Boolean = group % 2 == 0,
                    Date = new DateTime(2020, 1, 1).AddDays(group),
                    Time = TimeSpan.FromHours(group),
                    Key = (uint)group,
                    WideKey = 3UL * (ulong)group,
                };
            }),
        ];
    }

    /// <summary>A context, and what its estimators were fitted on: the numbers of the rows.</summary>
    private sealed class Groups(int? seed)
    {
        public MLContext Context { get; } = new(seed);

        public List<int[]> Fits { get; } = [];

        public MulticlassClassificationCatalog Catalog => Context.MulticlassClassification;

        public IDataView Data(Row[] rows) => Context.Data.LoadFromEnumerable(rows);

        public IEstimator<ITransformer> CrossFitted(int folds, string? column, int? seed = null) =>
            Catalog.Calibrators.CrossFitted(new Spy(Context, Fits), Temperature(), folds, column, seed);

        public IEstimator<ITransformer> HeldOut(double share, string? column, int? seed = null) =>
            Catalog.Calibrators.HeldOut(new Spy(Context, Fits), Temperature(), share, column, seed);

        private MulticlassCalibratorEstimator Temperature() => Catalog.Calibrators.Temperature(scoreKind: ScoreKind.Logits);
    }

    /// <summary>ML.NET's naive Bayes, which takes no time.</summary>
    private sealed class Spy(MLContext context, List<int[]> fits) : IEstimator<ITransformer>
    {
        private readonly IEstimator<ITransformer> _inner = context.MulticlassClassification.Trainers.NaiveBayes();

        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _inner.GetOutputSchema(inputSchema);

        public ITransformer Fit(IDataView input)
        {
            fits.Add([.. input.GetColumn<int>(nameof(Row.Index))]);
            return _inner.Fit(input);
        }
    }

    private sealed class Row
    {
        public int Index { get; set; }

        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Features { get; set; } = [];

        public string Patient { get; set; } = "";

        public string? Guid { get; set; }

        public int Integer { get; set; }

        public long Long { get; set; }

        public byte Byte { get; set; }

        public float Single { get; set; }

        public double Double { get; set; }

        public bool Boolean { get; set; }

        public DateTime Date { get; set; }

        public TimeSpan Time { get; set; }

        [KeyType(200)]
        public uint Key { get; set; }

        [KeyType(600)]
        public ulong WideKey { get; set; }
    }
}
