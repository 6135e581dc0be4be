// SPDX-License-Identifier: Apache-2.0
/** The server's mask: a NIfTI-1 file, gzip, uint8. */

const DIMENSIONS_AT = 40; // eight int16: their number, then the sizes
const DATA_TYPE_AT = 70;
const VALUES_AT = 108; // float32: where the voxels start
const UINT8 = 2;

/**
 * @param {ArrayBuffer} file compressed
 * @param {import("./grid.js").Grid} grid on which it has to lie
 * @returns {Promise<Uint8Array>} its voxels, x fastest
 */
export async function readMask(file, { size }) {
  const buffer = await unzipped(file);
  const view = new DataView(buffer);
  const found = [1, 2, 3].map((axis) => view.getInt16(DIMENSIONS_AT + 2 * axis, true));
  if (view.getInt16(DATA_TYPE_AT, true) !== UINT8 || found.some((n, axis) => n !== size[axis])) {
    throw new Error(`The mask is not one of the PET's ${size.join(" x ")} voxels: reload the page.`);
  }
  return new Uint8Array(buffer, view.getFloat32(VALUES_AT, true), size[0] * size[1] * size[2]);
}

function unzipped(file) {
  const stream = new Blob([file]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
