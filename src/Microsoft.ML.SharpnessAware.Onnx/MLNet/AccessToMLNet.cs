using System.Runtime.CompilerServices;

// At run time these let the library call internal members of ML.NET that it was compiled against; see IgnoresAccessChecksToAttribute.
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.Data")]
[assembly: IgnoresAccessChecksTo("Microsoft.ML.DataView")]
