using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace Microsoft.ML;

/// <summary>The extension methods by which ML.NET users reach this library.</summary>
public static class SharpnessAwareCatalog
{
    /// <summary>
    /// Lists the images of a folder that has one sub-folder per class: <c>folder/cat/1.jpg</c>, <c>folder/dog/2.png</c>, …
    /// </summary>
    /// <remarks>
    /// Columns: <c>Label</c> (text, the name of the sub-folder), <c>ImagePath</c> (text, the full path) and <c>Image</c> (variable-size
    /// vector of Byte, the content of the file, read only when a row's Image is asked for). Classes and files come in the ordinal order of
    /// their names. Files with the extensions png, jpg, jpeg, gif, bmp and webp are images; hidden files are ignored; other files and
    /// folders are left out with a warning in <see cref="MLContext.Log"/>.
    /// </remarks>
    /// <param name="catalog">The data operations catalog, <c>mlContext.Data</c>.</param>
    /// <param name="folder">The folder that has the sub-folders.</param>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    /// <exception cref="InvalidDataException">The folder has no sub-folders, or none of them has an image.</exception>
    public static IDataView LoadImagesFromFolder(this DataOperationsCatalog catalog, string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return ImageFolder.Load(catalog.GetEnvironment(), folder);
    }

    /// <summary>Loads images and labels of the MNIST family (MNIST, Fashion-MNIST, KMNIST, EMNIST) into memory.</summary>
    /// <remarks>
    /// Columns: <c>Label</c> (text, the number of the class: "0", "1", …) and <c>Image</c> (vector of Byte with the dimensions 1 × height ×
    /// width, grey values 0 to 255), in the order of the files.
    /// </remarks>
    /// <param name="catalog">The data operations catalog, <c>mlContext.Data</c>.</param>
    /// <param name="imagesPath">The images, for example <c>train-images-idx3-ubyte.gz</c>; compressed with gzip or not, whatever the
    /// name.</param>
    /// <param name="labelsPath">The labels, for example <c>train-labels-idx1-ubyte.gz</c>.</param>
    /// <exception cref="FileNotFoundException">A file does not exist.</exception>
    /// <exception cref="InvalidDataException">A file is not in this format, truncated or too long, or the numbers of images and labels
    /// differ.</exception>
    public static IDataView LoadImagesFromIdx(this DataOperationsCatalog catalog, string imagesPath, string labelsPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(imagesPath);
        ArgumentException.ThrowIfNullOrEmpty(labelsPath);
        return IdxFile.Load(catalog.GetEnvironment(), imagesPath, labelsPath);
    }

    /// <summary>Loads files of the binary version of CIFAR-10 or CIFAR-100 into memory, one after the other.</summary>
    /// <remarks>
    /// Columns: <c>Label</c> (text, the number of the class, for CIFAR-100 of the fine class: "0", "1", …) and <c>Image</c> (vector of Byte
    /// with the dimensions 3 × 32 × 32: red, green, blue). The length of a file tells which of the two it is: records of 3073 or of 3074
    /// bytes; if it suits both, it is CIFAR-10 unless a label says otherwise.
    /// </remarks>
    /// <param name="catalog">The data operations catalog, <c>mlContext.Data</c>.</param>
    /// <param name="paths">The files, all of the same of the two, for example <c>data_batch_1.bin</c> to <c>data_batch_5.bin</c>.</param>
    /// <exception cref="FileNotFoundException">A file does not exist.</exception>
    /// <exception cref="InvalidDataException">A file is not in this format or truncated, or CIFAR-10 and CIFAR-100 are mixed.</exception>
    public static IDataView LoadImagesFromCifar(this DataOperationsCatalog catalog, params string[] paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return CifarFile.Load(catalog.GetEnvironment(), paths);
    }
}
