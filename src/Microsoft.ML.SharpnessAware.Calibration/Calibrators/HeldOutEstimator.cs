using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.SharpnessAware;

/// <summary>Trains on a part of the rows and fits the calibrator on the rest; see <see
/// cref="MulticlassCalibratorsCatalog.HeldOut"/>.</summary>
internal sealed class HeldOutEstimator(IHostEnvironment environment, IEstimator<ITransformer> estimator,
    MulticlassCalibratorEstimator calibrator,
    double fraction, string? samplingKeyColumnName, int? seed) : IEstimator<TransformerChain<MulticlassCalibratorTransformer>>
{
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => calibrator.GetOutputShape(estimator.GetOutputSchema(inputSchema));

    public TransformerChain<MulticlassCalibratorTransformer> Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        calibrator.CheckBeforeTraining(estimator, input.Schema);
        DataOperationsCatalog.TrainTestData split = GroupedSplit.TrainTest(environment, input, fraction, samplingKeyColumnName, seed);
        ITransformer model = estimator.Fit(split.TrainSet);
        try
        {
            return model.Append(calibrator.FitOnUnseen(TrainedModel.Test(model, split.TestSet), samplingKeyColumnName));
        }
        catch
        {
            TrainedModel.Free(model, TrainedModel.KeptBy(estimator));
            throw;
        }
    }
}
