namespace Microsoft.ML.SharpnessAware;

/// <summary>How strange a class is for a row: what a prediction set orders classes by. The promise is the same with each.</summary>
public enum PredictionSetScore
{
    /// <summary>
    /// 1 − p, the least ambiguous sets (<see href="https://arxiv.org/abs/1609.00451">Sadinle, Lei and Wasserman 2019</see>): the smallest
    /// on average, but small also where the model is at a loss, and sometimes empty.
    /// </summary>
    LeastAmbiguous,

    /// <summary>
    /// The probabilities of the more probable classes together with a random share of its own (APS, <see
    /// href="https://arxiv.org/abs/2006.02544">Romano, Sesia and Candès 2020</see>): larger where the model is less sure, so that hard
    /// rows are covered nearly as easy ones are, as far as the probabilities are right. Sometimes empty where the model is very sure: its
    /// class alone would be right more often than asked.
    /// </summary>
    Adaptive,

    /// <summary>
    /// Adaptive with a penalty for classes far down the ranking (RAPS, <see href="https://arxiv.org/abs/2009.14193">Angelopoulos et al.
    /// 2021</see>): smaller sets where there are many classes. Its two numbers are tuned on a fifth of the rows, at most 1,000, where
    /// there are 100 in all, that fifth suffices for the coverage and none of it is missed; else λ is 0.01 from the sixth class on.
    /// </summary>
    RegularizedAdaptive,
}
