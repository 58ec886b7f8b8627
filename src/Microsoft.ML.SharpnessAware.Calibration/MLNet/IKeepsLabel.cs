using Microsoft.ML.Trainers;

namespace Microsoft.ML.SharpnessAware;

/// <summary>An estimator behind which the label column is the one before it, as behind ML.NET's trainers (<see
/// cref="ITrainerEstimator{TTransformer, TPredictor}"/>).</summary>
internal interface IKeepsLabel;
