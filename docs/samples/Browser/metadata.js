// The metadata of an ONNX file, which onnxruntime-web does not give: field 14 of the file's message, each with a key (1) and a value (2).
const MetadataProperties = 14;

export function readMetadata(bytes) {
  const metadata = {};
  for (const [field, value] of fields(bytes)) {
    if (field === MetadataProperties) {
      const entry = Object.fromEntries([...fields(value)].map(([number, text]) => [number, new TextDecoder().decode(text)]));
      metadata[entry[1]] = entry[2] ?? '';
    }
  }
  return metadata;
}

/** The fields of a protobuf message that hold bytes; numbers are passed over. */
function* fields(bytes) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let shift = 1; at < bytes.length; shift *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * shift;
      if (byte < 128)
        return value;
    }
    throw new Error('The model file is damaged.');
  };
  while (at < bytes.length) {
    const tag = number();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0: number(); break;
      case 1: at += 8; break;
      case 2: {
        const length = number();
        yield [field, bytes.subarray(at, at + length)];
        at += length;
        break;
      }
      case 5: at += 4; break;
      default: throw new Error('The model file is damaged.');
    }
  }
}
