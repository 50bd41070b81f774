// Runs a weights file of Featheredge with onnxruntime-node.
//
//     npm install
//     node edges.js NETWORK.onnx PICTURE.ppm MAP.pgm [STRIDE]
//
// The picture is a binary PPM (P6), the map a binary PGM (P5) of the same size, white on black.
// onnxruntime-node does not show the metadata of a file, so the stride is an argument; `featheredge
// models NAME --json` prints it.
"use strict";

const fs = require("node:fs");
const ort = require("onnxruntime-node");

/** Reads a binary PPM of 8 bits: width, height and RGB bytes. */
function readPpm(path) {
  const file = fs.readFileSync(path);
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(file.toString("latin1", 0, 64));
  if (!header) throw new Error(`${path}: expected a binary PPM (P6) of 8 bits`);
  const [width, height] = [Number(header[1]), Number(header[2])];
  const rgb = file.subarray(header[0].length);
  if (rgb.length < width * height * 3) throw new Error(`${path}: ends before its last pixel`);
  return { width, height, rgb };
}

/** Index of the pixel that a padded pixel repeats: ... 2 1 | 0 1 2 3 | 2 1 0 ... */
function reflected(index, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const within = index % period;
  return within < length ? within : period - within;
}

/** Pads a picture by reflection, at the right and below, to multiples of the stride. */
function padToStride(picture, stride) {
  const up = (side) => Math.ceil(side / stride) * stride;
  const [width, height] = [up(picture.width), up(picture.height)];
  const rgb = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const source =
        reflected(row, picture.height) * picture.width + reflected(column, picture.width);
      rgb.set(picture.rgb.subarray(3 * source, 3 * source + 3), 3 * (row * width + column));
    }
  }
  return { width, height, rgb };
}

async function main([network, input, output, stride = "16"]) {
  const session = await ort.InferenceSession.create(network, { intraOpNumThreads: 1 });
  const picture = readPpm(input);
  const padded = padToStride(picture, Number(stride));
  const image = new ort.Tensor("uint8", padded.rgb, [1, padded.height, padded.width, 3]);
  const { map } = await session.run({ image });
  const grey = new Uint8Array(picture.width * picture.height);
  for (let row = 0; row < picture.height; row++) {
    for (let column = 0; column < picture.width; column++) {
      grey[row * picture.width + column] = Math.round(255 * map.data[row * padded.width + column]);
    }
  }
  const header = Buffer.from(`P5\n${picture.width} ${picture.height}\n255\n`, "latin1");
  fs.writeFileSync(output, Buffer.concat([header, grey]));
}

if (process.argv.length < 5) {
  console.error("usage: node edges.js NETWORK.onnx PICTURE.ppm MAP.pgm [STRIDE]");
  process.exit(2);
}
main(process.argv.slice(2)).catch((error) => {
  console.error(`edges: ${error.message}`);
  process.exit(1);
});
