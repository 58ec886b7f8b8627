using MLSharpness.Evidence;
using MLSharpness.Evidence.Results;

namespace Microsoft.ML.SharpnessAware.Tests.Evidence;

[TestClass]
public sealed class LaboratoryTests
{
    [TestMethod]
    public void PartsDoEachRunOnce()
    {
        using var folder = new TemporaryFolder();
        List<string> done = [];
        for (int part = 1; part <= 3; part++)
        {
            using var laboratory = new Laboratory("", folder.File($"{part}"), folder.File("models"), smoke: false, seeds: 1, threads: 1,
                device: null, CancellationToken.None)
            {
                Part = (part, 3),
            };
            ResultFile file = laboratory.Open("runs", ["run"], ["value"]);
            laboratory.Do(file, "runs", Enumerable.Range(0, 8).Select(i => new Run([$"{i}"], () => [i])), report: false);
            done.AddRange(file.Rows.Select(row => row["run"]));
        }

        CollectionAssert.AreEqual(new[] { "0", "3", "6", "1", "4", "7", "2", "5" }, done);
    }

    [TestMethod]
    public void WhatTheFileHasIsNotDoneAgainAndDoesNotShiftTheParts()
    {
        using var folder = new TemporaryFolder();
        using var laboratory = new Laboratory("", folder.Path, folder.File("models"), smoke: false, seeds: 1, threads: 1, device: null,
            CancellationToken.None)
        {
            Part = (2, 2),
        };
        ResultFile file = laboratory.Open("runs", ["run"], ["value"]);
        file.Add(["0"], [-1]);
        file.Add(["1"], [-1]);
        laboratory.Do(file, "runs", Enumerable.Range(0, 4).Select(i => new Run([$"{i}"], () => [i])), report: false);
        CollectionAssert.AreEqual(new[] { "0 -1", "1 -1", "3 3" }, file.Rows.Select(row => $"{row["run"]} {row["value"]}").ToArray());
    }
}
