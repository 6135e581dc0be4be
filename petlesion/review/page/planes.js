// SPDX-License-Identifier: Apache-2.0
/**
 * Anatomical planes of a grid, as a reader sees them: the patient's right on the left of a picture, the front or the
 * head at its top; a sagittal one has the front on its left.
 *
 * @typedef {import("./grid.js").Grid} Grid
 * @typedef {import("./grid.js").Triple} Triple
 * @typedef {{columns: import("./grid.js").Heading, rows: import("./grid.js").Heading, depth: number}} Plane
 *   headings of growing columns and rows of the picture, and the voxel axis that is looked along
 */
import { headings, spacing } from "./grid.js";

export const PLANES = ["axial", "coronal", "sagittal"];

/**
 * @param {Grid} grid
 * @param {"axial" | "coronal" | "sagittal"} name
 * @returns {Plane}
 */
export function planeOf(grid, name) {
  const [right, front, head] = headings(grid);
  if (name === "axial") return { columns: reversed(right), rows: reversed(front), depth: head.axis };
  if (name === "coronal") return { columns: reversed(right), rows: reversed(head), depth: front.axis };
  return { columns: reversed(front), rows: reversed(head), depth: right.axis };
}

function reversed({ axis, sign }) {
  return { axis, sign: -sign };
}

/**
 * Pixels of a picture of the plane, and the size of one in mm.
 * @param {Grid} grid
 * @param {Plane} plane
 */
export function extent(grid, { columns, rows }) {
  const mm = spacing(grid);
  return {
    width: grid.size[columns.axis],
    height: grid.size[rows.axis],
    columnMm: mm[columns.axis],
    rowMm: mm[rows.axis],
  };
}

/**
 * Column and row of a voxel in a picture of the plane; fractions stay.
 * @param {Grid} grid
 * @param {Plane} plane
 * @param {Triple} voxel
 * @returns {[number, number]}
 */
export function pixelOf(grid, { columns, rows }, voxel) {
  return [columns, rows].map(({ axis, sign }) => (sign > 0 ? voxel[axis] : grid.size[axis] - 1 - voxel[axis]));
}

/**
 * What a voxel's step along each axis is worth in a picture: pixel = start + the sum of steps[axis] * index.
 * @param {Grid} grid
 * @param {Plane} plane
 * @returns {{start: number, steps: Triple}}
 */
export function strides(grid, { columns, rows }) {
  const width = grid.size[columns.axis];
  const steps = [0, 0, 0];
  steps[columns.axis] = columns.sign;
  steps[rows.axis] = rows.sign * width;
  const start = (columns.sign > 0 ? 0 : width - 1) + (rows.sign > 0 ? 0 : (grid.size[rows.axis] - 1) * width);
  return { start, steps };
}
