using Microsoft.ML.SharpnessAware;
using MLSharpness.Evidence.Data;
using MLSharpness.Evidence.Results;

namespace MLSharpness.Evidence.Experiments;

/// <summary>The networks of the calibration experiment, and ensembles of three of them, on corrupted test images (Hendrycks and Dietterich
/// 2019).</summary>
internal sealed class Corruptions : Experiment
{
    private const int TestImages = 2_000;
    private const int MembersOfEnsemble = 3;

    private static readonly string[] Values = ["accuracy", "ece", "log_loss", "brier", "confidence", "tce", "ts_log_loss", "ts_brier"];

    public override string Name => "corruptions";

    public override IReadOnlyList<Setting> DefaultSettings => [Setting.Fashion5000];

    public override void Run(Laboratory laboratory, IReadOnlyList<Setting> settings)
    {
        ResultFile file = laboratory.Open(Name, ["setting", "method", "rho", "seed", "corruption", "strength"], Values);
        foreach (Setting setting in settings)
        {
            Radii radii = Tuning.ChooseRadii(laboratory, setting);
            laboratory.Do(file, Name,
                from seed in Enumerable.Range(1, laboratory.Seeds)
                from method in Method.Four(radii)
                from test in Tests(laboratory.IsSmoke)
                select NewRun(laboratory, setting, method, $"{seed}", [seed], test));
            if (laboratory.Seeds >= MembersOfEnsemble)
            {
                laboratory.Do(file, Name,
                    from method in Method.Four(radii)
                    from test in Tests(laboratory.IsSmoke)
                    select NewRun(laboratory, setting, method, "ensemble of 3", [.. Enumerable.Range(1, MembersOfEnsemble)], test));
            }
        }
    }

    /// <summary>No corruption, and each corruption at each strength.</summary>
    private static IEnumerable<(string Corruption, int Strength)> Tests(bool isSmoke) =>
        [("none", 0), .. from corruption in Corruption.Names from strength in isSmoke ? [3]
            : Enumerable.Range(1, 5) select (corruption, strength)];

    private static Run NewRun(
        Laboratory laboratory, Setting setting, Method method, string seed, int[] members, (string Corruption, int Strength) test) => new(
        [setting.Name, method.Name, Text.Of(method.Minimises.Rho), seed, test.Corruption, Text.Of(test.Strength)], () =>
        {
            ImageSet clean = laboratory.Images(setting).Test;
            ImageSet images = Corruption.Apply(clean.Range(0, Math.Min(TestImages, clean.Count)), test.Corruption, test.Strength);
            float[]? raw = null, scaled = null;
            foreach (int member in members)
            {
                using SharpnessAwareImageClassificationTransformer model = laboratory.Train(setting, method, member);
                using SharpnessAwareImageClassificationTransformer atOne = model.WithTemperature(1);
                raw = Add(raw, Laboratory.Probabilities(atOne, images), members.Length);
                scaled = Add(scaled, Laboratory.Probabilities(model, images), members.Length);
            }

            MulticlassCalibrationMetrics before = Metrics(raw!, images), after = Metrics(scaled!, images);
            return
            [
                before.Accuracy, before.ExpectedCalibrationError, before.LogLoss, before.BrierScore, before.MeanConfidence,
                after.ExpectedCalibrationError, after.LogLoss, after.BrierScore,
            ];
        });

    private static MulticlassCalibrationMetrics Metrics(float[] probabilities, ImageSet images) =>
        CalibrationMetrics.Compute(probabilities, [.. images.Labels], images.NumberOfClasses);

    private static float[] Add(float[]? sum, float[] values, int members) =>
        [.. values.Select((value, i) => (sum is null ? 0 : sum[i]) + value / members)];
}
