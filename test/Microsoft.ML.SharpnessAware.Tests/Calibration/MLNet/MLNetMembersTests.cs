using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using System.Text;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>
/// The library uses members of ML.NET that are internal, which a new version may change without notice. Here is the one test that says
/// which are gone; without it the first that notices is a MissingMethodException in the middle of somebody's training.
/// </summary>
[TestClass]
public sealed class MLNetMembersTests
{
    private static readonly Assembly Library = typeof(SharpnessAwareImageClassificationTrainer).Assembly;
    private static readonly Assembly Imaging = typeof(ResizingKind).Assembly;
    private static readonly Assembly Calibration = typeof(MulticlassCalibrationMetrics).Assembly;

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Packages =>
        [[Library.GetName().Name!], [Imaging.GetName().Name!], [Calibration.GetName().Name!],
        [typeof(OnnxImageClassifierTransformer).Assembly.GetName().Name!]];

    [TestMethod]
    [DynamicData(nameof(Packages))]
    public void EveryTypeAndMemberOfMLNetThatThePackageUsesIsThere(string package)
    {
        Assembly assembly = Assembly.Load(package);
        (List<MemberInfo> found, List<string> missing) = Resolve(assembly, File.ReadAllBytes(assembly.Location));
        Assert.IsEmpty(missing, $"This version of ML.NET has not: {string.Join("; ", missing)}");
        Assert.IsGreaterThan(100, found.Count);
        assembly.GetTypes();     // throws where an interface has got a member that is not implemented
    }

    [TestMethod]
    [DynamicData(nameof(Packages))]
    public void InternalMembersAreOnlyThoseOfTheAssembliesThatAreNamedForIt(string package)
    {
        Assembly assembly = Assembly.Load(package);
        (List<MemberInfo> found, _) = Resolve(assembly, File.ReadAllBytes(assembly.Location));
        string[] named =
        [
            .. assembly.GetCustomAttributes<IgnoresAccessChecksToAttribute>().Select(attribute => attribute.AssemblyName),
            Imaging.GetName().Name!,        // by InternalsVisibleTo
            Calibration.GetName().Name!,
        ];
        MemberInfo[] hidden = [.. found.Where(IsInternal)];
        foreach (MemberInfo member in hidden)
        {
            TestContext.WriteLine($"{member.DeclaringType} {member}");
            Assert.Contains(member.Module.Assembly.GetName().Name!, named);
        }
        Assert.IsNotEmpty(hidden);
    }

    [TestMethod]
    [DataRow("CheckAtModel", "Microsoft.ML.ModelSaveContext.CheckAtModel")]
    [DataRow("ModelLoadContext", "Microsoft.ML.ModelLoadContext")]
    [DataRow("TryLoadBinaryStream", "Microsoft.ML.ModelLoadContext.TryLoadBinaryStream")]
    public void AMemberThatWentMissingIsNamed(string name, string expected)
    {
        // The library's file with one name changed, so that it asks for what is not there.
        byte[] image = File.ReadAllBytes(Library.Location);
        byte[] text = Encoding.UTF8.GetBytes($"\0{name}\0");
        int position = image.AsSpan().IndexOf(text);
        Assert.IsGreaterThan(0, position);
        image[position + 1] = (byte)'Z';
        var context = new AssemblyLoadContext("changed", isCollectible: true);

        (_, List<string> missing) = Resolve(context.LoadFromStream(new MemoryStream(image)), image);

        Assert.IsNotEmpty(missing);
        StringAssert.Contains(string.Join('\n', missing), expected.Replace(name, "Z" + name[1..], StringComparison.Ordinal));
        context.Unload();
    }

    /// <summary>TorchSharp's fields that NativeModule frees; without them it does nothing and a little memory stays behind.</summary>
    [TestMethod]
    [DataRow("handle")]
    [DataRow("boxedModule")]
    public void TheFieldsOfTorchSharpThatTheLibraryUsesAreThere(string name) => Assert.IsNotNull(
        typeof(TorchSharp.torch.nn.Module).GetField(name, BindingFlags.Instance | BindingFlags.NonPublic),
        $"TorchSharp's nn.Module has no field '{name}' any more: see whether it still leaves the native half of its layers behind.");

    /// <summary>Looks up every reference to a type or member of ML.NET in an assembly's metadata, as the runtime will.</summary>
    private static (List<MemberInfo> Found, List<string> Missing) Resolve(Assembly assembly, byte[] image)
    {
        using var pe = new PEReader(new MemoryStream(image));
        MetadataReader metadata = pe.GetMetadataReader();
        List<MemberInfo> found = [];
        List<string> missing = [];
        var names = new ReferenceNames(metadata);
        foreach (EntityHandle handle in metadata.TypeReferences.Select(type => (EntityHandle)type)
            .Concat(metadata.MemberReferences.Select(member => (EntityHandle)member)))
        {
            if (!names.IsOfMLNet(handle))
                continue;
            try
            {
                // What stands for type parameters does not matter for whether the member is there.
                Type[] any = [.. Enumerable.Repeat(typeof(object), 4)];
                if (assembly.ManifestModule.ResolveMember(MetadataTokens.GetToken(handle), any, any) is MemberInfo member)
                    found.Add(member);
            }
            catch (Exception e) when (e is MissingMemberException or TypeLoadException or FileNotFoundException or BadImageFormatException)
            {
                missing.Add($"{names.Of(handle)} ({e.Message})");
            }
        }
        return (found, missing);
    }

    private static bool IsInternal(MemberInfo member) => member switch
    {
        Type type => !type.IsVisible,
        MethodBase method => method.IsAssembly || method.IsFamilyAndAssembly || IsInternal(method.DeclaringType!),
        FieldInfo field => field.IsAssembly || field.IsFamilyAndAssembly || IsInternal(field.DeclaringType!),
        _ => false,
    };

    /// <summary>Full names of what an assembly refers to.</summary>
    private sealed class ReferenceNames(MetadataReader metadata)
    {
        public bool IsOfMLNet(EntityHandle handle) => AssemblyOf(handle)?.StartsWith("Microsoft.ML.", StringComparison.Ordinal) == true;

        public string Of(EntityHandle handle)
        {
            if (handle.Kind == HandleKind.MemberReference)
            {
                MemberReference member = metadata.GetMemberReference((MemberReferenceHandle)handle);
                return $"{Of(TypeOf(member.Parent))}.{metadata.GetString(member.Name)}";
            }
            if (handle.Kind != HandleKind.TypeReference)
                return "?";
            TypeReference type = metadata.GetTypeReference((TypeReferenceHandle)handle);
            return type.ResolutionScope.Kind == HandleKind.TypeReference
                ? $"{Of(type.ResolutionScope)}.{metadata.GetString(type.Name)}"
                : $"{metadata.GetString(type.Namespace)}.{metadata.GetString(type.Name)}";
        }

        private string? AssemblyOf(EntityHandle handle) => handle.Kind switch
        {
            HandleKind.MemberReference => AssemblyOf(TypeOf(metadata.GetMemberReference((MemberReferenceHandle)handle).Parent)),
            HandleKind.TypeReference => AssemblyOf(metadata.GetTypeReference((TypeReferenceHandle)handle).ResolutionScope),
            HandleKind.AssemblyReference => metadata.GetString(metadata.GetAssemblyReference((AssemblyReferenceHandle)handle).Name),
            _ => null,
        };

        /// <summary>The type itself, or the generic type that an instance is of.</summary>
        private EntityHandle TypeOf(EntityHandle parent)
        {
            if (parent.Kind != HandleKind.TypeSpecification)
                return parent;
            BlobReader signature = metadata.GetBlobReader(metadata.GetTypeSpecification((TypeSpecificationHandle)parent).Signature);
            if (signature.ReadSignatureTypeCode() != SignatureTypeCode.GenericTypeInstance)
                return parent;
            signature.ReadCompressedInteger();      // class or value type
            return signature.ReadTypeHandle();
        }
    }
}
