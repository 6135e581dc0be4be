// SPDX-License-Identifier: Apache-2.0
/**
 * The server's volumes: NIfTI-1 files, gzip, little-endian, with an sform.
 *
 * @typedef {import("./grid.js").Grid} Grid
 * @typedef {import("./grid.js").Triple} Triple
 * @typedef {{grid: Grid, values: Uint8Array | Int16Array | Float32Array, file: ArrayBuffer}} Volume  values: x fastest
 * @typedef {{low: Triple, size: Triple}} Box  of voxels
 */

const DIMENSIONS_AT = 40; // eight int16: their number, then the sizes
const DATA_TYPE_AT = 70; // int16
const VALUES_AT = 108; // float32: where the voxels start
const QFORM_OFFSET_AT = 268; // three float32, mm
const SFORM_AT = 280; // three rows of four float32
const ARRAYS = { 2: Uint8Array, 4: Int16Array, 16: Float32Array };
const AXES = [0, 1, 2];

/**
 * @param {ArrayBuffer} compressed
 * @returns {Promise<Volume>}
 */
export async function readVolume(compressed) {
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const file = await new Response(stream).arrayBuffer();
  const view = new DataView(file);
  const size = AXES.map((axis) => view.getInt16(DIMENSIONS_AT + 2 * (axis + 1), true));
  const rows = AXES.map((row) => [0, 1, 2, 3].map((at) => view.getFloat32(SFORM_AT + 16 * row + 4 * at, true)));
  const type = ARRAYS[view.getInt16(DATA_TYPE_AT, true)];
  const values = new type(file, view.getFloat32(VALUES_AT, true), size[0] * size[1] * size[2]);
  return { grid: { size, affine: [...rows, [0, 0, 0, 1]] }, values, file };
}

/**
 * @param {ArrayBuffer} compressed
 * @param {Grid} grid on which it has to lie
 * @returns {Promise<Uint8Array>} the mask's voxels, x fastest
 */
export async function readMask(compressed, { size }) {
  const { grid, values } = await readVolume(compressed);
  if (!(values instanceof Uint8Array) || grid.size.some((n, axis) => n !== size[axis])) {
    throw new Error(`The mask is not one of the PET's ${size.join(" x ")} voxels: reload the page.`);
  }
  return values;
}

/**
 * A file of a part of a volume, which lies where it lay.
 * @param {Volume} volume
 * @param {Box} box
 * @returns {ArrayBuffer} not compressed
 */
export function cropped({ grid, values, file }, { low, size }) {
  const start = new DataView(file).getFloat32(VALUES_AT, true);
  const part = new ArrayBuffer(start + size[0] * size[1] * size[2] * values.BYTES_PER_ELEMENT);
  new Uint8Array(part).set(new Uint8Array(file, 0, start));
  moveHead(new DataView(part), grid, low, size);
  const kept = new values.constructor(part, start);
  for (let z = 0, at = 0; z < size[2]; z += 1) {
    for (let y = 0; y < size[1]; y += 1, at += size[0]) {
      const from = low[0] + grid.size[0] * (low[1] + y + grid.size[1] * (low[2] + z));
      kept.set(values.subarray(from, from + size[0]), at);
    }
  }
  return part;
}

function moveHead(view, { affine }, low, size) {
  for (const axis of AXES) {
    const shift = AXES.reduce((sum, column) => sum + affine[axis][column] * low[column], 0);
    view.setInt16(DIMENSIONS_AT + 2 * (axis + 1), size[axis], true);
    for (const at of [SFORM_AT + 16 * axis + 12, QFORM_OFFSET_AT + 4 * axis]) {
      view.setFloat32(at, view.getFloat32(at, true) + shift, true);
    }
  }
}
