using System.Runtime.CompilerServices;

// The tests make schemas and rows by ML.NET members that are internal, as the library does.
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Data")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.DataView")]
