using System.Buffers.Binary;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace MLSharpness.Build;

/// <summary>The bytes of <c>Microsoft.ML.TorchSharp.dll</c>.</summary>
internal static class MLTorchSharpImage
{
    private const byte CallVirtual = 0x6F, Pop = 0x26, NoOperation = 0x00;

    // A method with an exception region has the longer of the two headers (ECMA-335 §II.25.4).
    private const int FatHeader = 12;

    private static readonly string[] Initialisers = ["InitXavierUniform", "InitConstant", "InitNormal", "InitZeros"];

    /// <summary>
    /// In the four initialisers of the class ModelUtils, a <c>callvirt IDisposable.Dispose</c> becomes a <c>pop</c> and four <c>nop</c>: as
    /// many bytes, and the same stack.
    /// </summary>
    /// <param name="image">The file; changed in place.</param>
    /// <returns>Whether there was something to change. All four are changed or none.</returns>
    public static bool KeepInitialisedWeights(byte[] image)
    {
        using var pe = new PEReader(new MemoryStream(image, writable: false));
        MetadataReader metadata = pe.GetMetadataReader();
        int[] calls =
        [
            .. metadata.TypeDefinitions.Select(metadata.GetTypeDefinition)
                .Where(type => metadata.StringComparer.Equals(type.Name, "ModelUtils"))
                .SelectMany(type => type.GetMethods().Select(metadata.GetMethodDefinition))
                .Where(method => Initialisers.Contains(metadata.GetString(method.Name)))
                .Select(method => CallOfDispose(pe, metadata, method))
                .Where(offset => offset >= 0),
        ];
        if (calls.Length != Initialisers.Length)
            return false;

        foreach (int call in calls)
        {
            image[call] = Pop;
            image.AsSpan(call + 1, sizeof(int)).Fill(NoOperation);
        }
        return true;
    }

    // The place in the file of the call in the finally block that using makes; -1 where there is none.
    private static int CallOfDispose(PEReader pe, MetadataReader metadata, MethodDefinition method)
    {
        MethodBodyBlock body = pe.GetMethodBody(method.RelativeVirtualAddress);
        if (body.ExceptionRegions is not [{ Kind: ExceptionRegionKind.Finally } finallyBlock])
            return -1;

        ReadOnlySpan<byte> code = body.GetILBytes();
        int start = FileOffset(pe.PEHeaders, method.RelativeVirtualAddress) + FatHeader;
        int end = finallyBlock.HandlerOffset + finallyBlock.HandlerLength;
        for (int i = finallyBlock.HandlerOffset; i + sizeof(int) < end; i++)
        {
            if (code[i] == CallVirtual && IsDispose(metadata, BinaryPrimitives.ReadInt32LittleEndian(code[(i + 1)..])))
                return start + i;
        }
        return -1;
    }

    private static bool IsDispose(MetadataReader metadata, int token) =>
        MetadataTokens.EntityHandle(token) is { Kind: HandleKind.MemberReference } member
        && metadata.StringComparer.Equals(metadata.GetMemberReference((MemberReferenceHandle)member).Name, "Dispose");

    private static int FileOffset(PEHeaders headers, int address)
    {
        SectionHeader section = headers.SectionHeaders[headers.GetContainingSectionIndex(address)];
        return section.PointerToRawData + address - section.VirtualAddress;
    }
}
