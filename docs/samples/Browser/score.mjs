// node score.mjs <model.onnx> <pixels>: scores images by onnxruntime-web without a browser. The pixels are those of the model's input, one
// image after the other; the answer is a JSON list of the scores of each and the names of the classes.
import { readFile } from 'node:fs/promises';
import * as ort from 'onnxruntime-web';
import { readMetadata } from './metadata.js';

const [modelPath, pixelsPath] = process.argv.slice(2);
const [model, pixels] = await Promise.all([readFile(modelPath), readFile(pixelsPath)]);
const [channels, height, width] = readMetadata(model).input_size.split(',').map(Number);
const session = await ort.InferenceSession.create(model);
const rows = pixels.length / (channels * height * width);
const input = new ort.Tensor('uint8', new Uint8Array(pixels), [rows, channels, height, width]);
const outputs = await session.run({ [session.inputNames[0]]: input });
const [scores, labels] = session.outputNames.map(name => outputs[name]);
console.log(JSON.stringify({ scores: Array.from(scores.data), labels: Array.from(labels.data) }));
process.exit(0);
