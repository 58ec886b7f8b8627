// The model is a file of SaveOnnx with Resize = true and PixelOrder = ChannelsLast; see README.md.
import * as ort from './node_modules/onnxruntime-web/dist/ort.wasm.min.mjs';
import { readMetadata } from './metadata.js';

const Shown = 10;
const element = id => document.getElementById(id);
ort.env.wasm.numThreads = 1;    // more need headers of the server

const model = await load('model.onnx').catch(error => say(error.message));
if (model) {
  say('');
  element('file').addEventListener('change', event => show(event.target.files[0]));
  const drop = element('drop');
  for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) {
    drop.addEventListener(type, event => {
      event.preventDefault();
      drop.classList.toggle('over', type === 'dragenter' || type === 'dragover');
    });
  }
  drop.addEventListener('drop', event => show(event.dataTransfer.files[0]));
  document.body.dataset.ready = 'true';
}

async function load(url) {
  const response = await fetch(url);
  if (!response.ok)
    throw new Error(`There is no ${url} beside this page.`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const metadata = readMetadata(bytes);
  if (metadata.resizes !== 'true' || metadata.pixel_order !== 'NHWC')
    throw new Error('The model must be saved with Resize = true and PixelOrder = ChannelsLast.');
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  const channels = Number(metadata.input_size.split(',')[0]);
  return { session, channels, names: JSON.parse(metadata.class_names) };
}

async function show(file) {
  if (!file)
    return;
  try {
    // Turned as its EXIF data say, by createImageBitmap itself; colours as they are in the file, as in training.
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none' }).catch(() => {
      throw new Error(`'${file.name}' is not a picture that this browser reads.`);
    });
    const picture = element('picture');
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
    picture.hidden = false;
    say('');
    draw(await predict(bitmap));
  } catch (error) {
    element('classes').replaceChildren();
    say(error.message);
  }
}

/** The probability of each class, in the order of the model. */
async function predict(bitmap) {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  context.fillStyle = 'white';  // behind what is transparent, as in training
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const pixels = new Uint8Array(width * height * model.channels);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    if (model.channels === 1)
      pixels[to++] = Math.round(0.299 * rgba[from] + 0.587 * rgba[from + 1] + 0.114 * rgba[from + 2]);
    else
      for (let channel = 0; channel < 3; channel++)
        pixels[to++] = rgba[from + channel];
  }

  const input = new ort.Tensor('uint8', pixels, [1, height, width, model.channels]);
  const results = await model.session.run({ [model.session.inputNames[0]]: input }, [model.session.outputNames[0]]);
  return [...results[model.session.outputNames[0]].data];
}

function draw(probabilities) {
  const classes = model.names.map((name, k) => ({ name, probability: probabilities[k] })).sort((a, b) => b.probability - a.probability);
  element('classes').replaceChildren(...classes.slice(0, Shown).map(({ name, probability }) => {
    const row = document.createElement('div');
    row.className = 'row';
    row.dataset.probability = probability;
    row.innerHTML = '<div class="name"></div><div class="bar"><div></div></div><div class="number"></div>';
    row.querySelector('.name').textContent = name;
    row.querySelector('.bar > div').style.width = `${100 * probability}%`;
    row.querySelector('.number').textContent = `${(100 * probability).toFixed(1)} %`;
    return row;
  }));
}

function say(message) {
  element('message').textContent = message;
}
