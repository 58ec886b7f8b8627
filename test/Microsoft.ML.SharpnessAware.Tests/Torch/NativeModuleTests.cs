using System.Reflection;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.SharpnessAware.Tests;

[TestClass]
public sealed class NativeModuleTests
{
    private static readonly FieldInfo Handle = typeof(nn.Module).GetField("handle", BindingFlags.Instance | BindingFlags.NonPublic)!;

    [TestMethod]
    public void NoLayerOfADisposedNetworkKeepsItsNativeHalf()
    {
        foreach (nn.Module network in new nn.Module[] { NetworkArchitecture.Create("resnet8", 3, new ImageShape(1, 12, 12)),
            nn.Linear(2, 3) })
        {
            nn.Module[] modules = [network, .. network.modules()];
            Assert.IsTrue(modules.All(module => !((SafeHandle)Handle.GetValue(module)!).IsInvalid));
            NativeModule.DisposeAll(network);
            foreach (nn.Module module in modules)
                Assert.IsTrue(((SafeHandle)Handle.GetValue(module)!).IsInvalid, module.GetType().Name);
            NativeModule.DisposeAll(network);       // and again, which does nothing
        }
    }
}
