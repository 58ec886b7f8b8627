using Microsoft.ML;
using Microsoft.ML.SharpnessAware;

// In version 0.1.0 calibrators and the decoder of images were in this assembly, which their files name.
[assembly: LoadableClass(typeof(MulticlassCalibratorTransformer), typeof(CalibratorFile), null, typeof(SignatureLoadModel),
    "Multiclass calibrator of version 0.1.0", "MulticlassCalibrator")]
[assembly: LoadableClass(typeof(ImageDecodingTransformer), null, typeof(SignatureLoadModel), "Image decoder of version 0.1.0",
    "ImageDecoder")]
