// SPDX-License-Identifier: Apache-2.0
/**
 * Projections and slices of volumes. Arrays are the grid's, x fastest; pictures are row by row.
 *
 * @typedef {import("./grid.js").Grid} Grid
 * @typedef {import("./planes.js").Plane} Plane
 */
import { offsetOf } from "./grid.js";
import { extent, strides } from "./planes.js";

/**
 * The highest value on every ray, and where it stands; of equal ones the first in the file.
 * @param {ArrayLike<number>} values of the whole grid
 * @param {Grid} grid
 * @param {Plane} plane
 * @returns {{width: number, height: number, highest: Float32Array, offsets: Int32Array}}
 */
export function project(values, grid, plane) {
  const { width, height } = extent(grid, plane);
  const highest = new Float32Array(width * height).fill(-Infinity);
  const offsets = new Int32Array(width * height);
  eachVoxel(grid, plane, (offset, pixel) => {
    if (values[offset] > highest[pixel]) {
      highest[pixel] = values[offset];
      offsets[pixel] = offset;
    }
  });
  return { width, height, highest, offsets };
}

/**
 * 1 where a ray meets the mask.
 * @param {Uint8Array} mask of the whole grid
 * @param {Grid} grid
 * @param {Plane} plane
 * @returns {{width: number, height: number, inside: Uint8Array}}
 */
export function shadow(mask, grid, plane) {
  const { width, height } = extent(grid, plane);
  const inside = new Uint8Array(width * height);
  eachVoxel(grid, plane, (offset, pixel) => {
    if (mask[offset]) inside[pixel] = 1;
  });
  return { width, height, inside };
}

function eachVoxel({ size }, plane, visit, { start, steps } = strides({ size }, plane)) {
  let offset = 0;
  for (let z = 0; z < size[2]; z += 1) {
    for (let y = 0; y < size[1]; y += 1) {
      let pixel = start + steps[1] * y + steps[2] * z;
      for (let x = 0; x < size[0]; x += 1, offset += 1, pixel += steps[0]) visit(offset, pixel);
    }
  }
}

/**
 * The mask in one slice of the plane.
 * @param {Uint8Array} mask of the whole grid
 * @param {Grid} grid
 * @param {Plane} plane
 * @param {number} index along the axis that is looked along
 * @returns {{width: number, height: number, inside: Uint8Array}}
 */
export function slice(mask, grid, plane, index) {
  const { columns, rows, depth } = plane;
  const { width, height } = extent(grid, plane);
  const inside = new Uint8Array(width * height);
  const voxel = [0, 0, 0];
  voxel[depth] = index;
  for (let row = 0, pixel = 0; row < height; row += 1) {
    voxel[rows.axis] = rows.sign > 0 ? row : height - 1 - row;
    for (let column = 0; column < width; column += 1, pixel += 1) {
      voxel[columns.axis] = columns.sign > 0 ? column : width - 1 - column;
      inside[pixel] = mask[offsetOf(grid, voxel)];
    }
  }
  return { width, height, inside };
}
