using Microsoft.ML.Data;
using Microsoft.ML.SharpnessAware;

namespace Microsoft.ML;

/// <summary>The extension methods by which pictures come into ML.NET.</summary>
public static class ImagingCatalog
{
    /// <summary>
    /// Lists the images of a folder, by default one that has one sub-folder per class: <c>folder/cat/1.jpg</c>, <c>folder/dog/2.png</c>, …
    /// </summary>
    /// <remarks>
    /// Columns: <c>Label</c> (text), <c>ImagePath</c> (text, the full path) and <c>Image</c> (variable-size vector of Byte, the content of
    /// the file, read only when a row's Image is asked for). Rows come in the ordinal order of their labels, then of their paths. Files
    /// with the extensions png, jpg, jpeg, gif, bmp and webp are images, however deep they lie; hidden files and folders are ignored; other
    /// files are left out, with one warning in <see cref="MLContext.Log"/> that names them. Links are followed, and each file and folder
    /// counts once, at its real place if that is in the folder: a warning names the links that lead to it again. Labels that differ only in
    /// case, in spaces around them or in the code of an accent (NFC, NFD) are classes of their own, and a warning names them.
    /// </remarks>
    /// <param name="catalog">The data operations catalog, <c>mlContext.Data</c>.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="labelFrom">
    /// The label of an image, from its path relative to the folder with / between the parts; null leaves the file out. By default
    /// <see cref="ImageLabel.FolderName"/>; <see cref="ImageLabel.FileName"/> is for a folder of files like <c>cat_017.jpg</c>.
    /// </param>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    /// <exception cref="InvalidDataException">
    /// The folder has no image with a label, or a folder or an image with a name that is not UTF-8, which .NET cannot open.
    /// </exception>
    /// <example>
    /// <code>
    /// IDataView flat = mlContext.Data.LoadImagesFromFolder("photographs", ImageLabel.FileName);
    /// IDataView byTop = mlContext.Data.LoadImagesFromFolder("photographs",
    ///     path => path.Split('/') is [var top, _, ..] ? top : null);      // cat/2024/1.jpg is a cat; null leaves a file out
    /// </code>
    /// </example>
    public static IDataView LoadImagesFromFolder(this DataOperationsCatalog catalog, string folder, Func<string, string?>? labelFrom = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return ImageFolder.Load(catalog.GetEnvironment(), folder, labelFrom ?? ImageLabel.FolderName);
    }

    /// <summary>Loads images and labels of the MNIST family (MNIST, Fashion-MNIST, KMNIST, EMNIST) into memory.</summary>
    /// <remarks>
    /// Columns: <c>Label</c> (text, the number of the class: "0", "1", …) and <c>Image</c> (vector of Byte with the dimensions 1 × height ×
    /// width, grey values 0 to 255), in the order of the files. A side has at most 8192 pixels. A compressed file may unpack to 64 MiB, or
    /// to 200 times its length. EMNIST's own files hold each image column by column, so that letters lie on their side and mirrored: set
    /// <paramref name="transposed"/> for them.
    /// </remarks>
    /// <param name="catalog">The data operations catalog, <c>mlContext.Data</c>.</param>
    /// <param name="imagesPath">The images, for example <c>train-images-idx3-ubyte.gz</c>; compressed with gzip or not, whatever the
    /// name.</param>
    /// <param name="labelsPath">The labels, for example <c>train-labels-idx1-ubyte.gz</c>.</param>
    /// <param name="transposed">
    /// Whether the file holds each image column by column, as EMNIST's do and the others do not: rows and columns are then swapped.
    /// </param>
    /// <exception cref="FileNotFoundException">A file does not exist.</exception>
    /// <exception cref="InvalidDataException">A file is not in this format, truncated or too long, or the numbers of images and labels
    /// differ.</exception>
    public static IDataView LoadImagesFromIdx(
        this DataOperationsCatalog catalog, string imagesPath, string labelsPath, bool transposed = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(imagesPath);
        ArgumentException.ThrowIfNullOrEmpty(labelsPath);
        return IdxFile.Load(catalog.GetEnvironment(), imagesPath, labelsPath, transposed);
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

    /// <summary>
    /// Decodes image files to <see cref="MLImage"/> as the trainer sees them when it is given the files: rotated as their EXIF data say,
    /// with transparency over white. A file that is truncated or damaged is an error.
    /// </summary>
    /// <remarks>
    /// ML.NET's own <c>LoadImages</c> does neither: it leaves a photograph that was taken upright on its side, and accepts a truncated file
    /// with the rest blank. The input is what <c>LoadRawImageBytes</c> and <see cref="LoadImagesFromFolder"/> give: a variable-size vector
    /// of Byte. The trainer takes it as it is; use this for what needs an MLImage, ML.NET's <c>ResizeImages</c> and <c>ExtractPixels</c>
    /// for example.
    /// </remarks>
    /// <param name="catalog">The transforms catalog, <c>mlContext.Transforms</c>.</param>
    /// <param name="outputColumnName">The column of images.</param>
    /// <param name="inputColumnName">The column of files; null: the same name.</param>
    /// <example>
    /// <code>
    /// IDataView files = mlContext.Data.LoadImagesFromFolder("photographs");
    /// var pipeline = mlContext.Transforms.DecodeImages("Image")
    ///     .Append(mlContext.Transforms.ResizeImages("Image", 224, 224));
    /// </code>
    /// </example>
    public static IEstimator<ITransformer> DecodeImages(this TransformsCatalog catalog, string outputColumnName,
        string? inputColumnName = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        return new ImageDecodingEstimator(CatalogUtils.GetEnvironment(catalog), outputColumnName, inputColumnName ?? outputColumnName);
    }
}
