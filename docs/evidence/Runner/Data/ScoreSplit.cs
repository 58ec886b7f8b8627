namespace MLSharpness.Evidence.Data;

/// <summary>A model's scores of rows to fit calibrators on, and of others to judge them with.</summary>
internal sealed record ScoreSplit(string Name, ScoreSet Calibration, ScoreSet Test);
