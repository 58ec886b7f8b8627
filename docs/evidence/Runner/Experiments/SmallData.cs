using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>Few training images, another choice of them for each seed.</summary>
internal sealed class SmallData : Experiment
{
    private static readonly int[] Sizes = [500, 1000];

    public override string Name => "small-data";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.FashionFew];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "images", "method", "rho", "seed"], Scores.Columns);
        foreach (Setting setting in settings)
        {
            // The radii that are chosen with 5,000 images: 500 are too few to choose with.
            Radii radii = Tuning.ChooseRadii(laboratory, setting.Name == Setting.FashionFew.Name ? Setting.Fashion5000 : setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from size in Sizes
                from method in Method.Four(radii)
                select new Run(
                    [setting.Name, Text.Of(size), method.Name, Text.Of(method.Minimises.Rho), Text.Of(seed)],
                    () => Measure(laboratory, setting, size, method, seed)));
        }
    }

    private static double[] Measure(Laboratory laboratory, Setting setting, int size, Method method, int seed)
    {
        ImageSplit images = laboratory.Images(setting);
        int[] rows = [.. Enumerable.Range(0, images.Training.Count)];
        new Random(seed).Shuffle(rows);
        using var model = laboratory.Train(
            setting, method, seed, images with { Training = images.Training.Choose(rows.Take(size)) }, $"{Text.Of(size)} images ");
        return Laboratory.Score(model, images.Test);
    }
}
