// SPDX-License-Identifier: Apache-2.0
/**
 * The PET's voxel grid: where its voxels lie in the patient.
 *
 * Voxels are [x, y, z] in the order of the file, x fastest, as in the server's clicks. World positions are
 * millimetres [R, A, S] (to the right, the front, the head), as in NIfTI.
 *
 * @typedef {[number, number, number]} Triple
 * @typedef {{size: Triple, affine: number[][]}} Grid  voxels along x, y, z; rows of the 4 x 4 matrix voxel -> mm
 * @typedef {{axis: number, sign: number}} Heading  voxel axis 0, 1 or 2, and whether its index grows that way (1, -1)
 */

const PERMUTATIONS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/**
 * Position of a voxel's centre in mm.
 * @param {Grid} grid
 * @param {Triple} voxel may be fractional
 * @returns {Triple}
 */
export function toMm({ affine }, voxel) {
  return affine.slice(0, 3).map((row) => row[0] * voxel[0] + row[1] * voxel[1] + row[2] * voxel[2] + row[3]);
}

/**
 * Voxel at a position in mm, not rounded: solves the affine by Cramer's rule.
 * @param {Grid} grid
 * @param {Triple} mm
 * @returns {Triple}
 */
export function toVoxel({ affine }, mm) {
  const columns = [0, 1, 2].map((axis) => [0, 1, 2].map((row) => affine[row][axis]));
  const from = [0, 1, 2].map((row) => mm[row] - affine[row][3]);
  const whole = determinant(columns);
  return [0, 1, 2].map((axis) => determinant(columns.with(axis, from)) / whole);
}

function determinant([a, b, c]) {
  return (
    a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1])
  );
}

/**
 * Size of a voxel along x, y, z in mm.
 * @param {Grid} grid
 * @returns {Triple}
 */
export function spacing({ affine }) {
  return [0, 1, 2].map((axis) => Math.hypot(affine[0][axis], affine[1][axis], affine[2][axis]));
}

/**
 * Which voxel axis runs most nearly to the patient's right, front and head, and in which sense; each axis once.
 * @param {Grid} grid
 * @returns {[Heading, Heading, Heading]} for R, A, S
 */
export function headings(grid) {
  const mm = spacing(grid);
  const cosine = (world, axis) => grid.affine[world][axis] / mm[axis];
  const agreement = (order) => order.reduce((sum, axis, world) => sum + Math.abs(cosine(world, axis)), 0);
  const best = PERMUTATIONS.reduce((a, b) => (agreement(b) > agreement(a) + 1e-9 ? b : a));
  return best.map((axis, world) => ({ axis, sign: Math.sign(cosine(world, axis)) || 1 }));
}

/**
 * Place of a voxel in an array of the whole grid.
 * @param {Grid} grid
 * @param {Triple} voxel
 */
export function offsetOf({ size }, [x, y, z]) {
  return x + size[0] * (y + size[1] * z);
}

/**
 * The voxel at a place of an array of the whole grid.
 * @param {Grid} grid
 * @param {number} offset
 * @returns {Triple}
 */
export function voxelOf({ size }, offset) {
  const rest = Math.floor(offset / size[0]);
  return [offset % size[0], rest % size[1], Math.floor(rest / size[1])];
}

/**
 * The nearest voxel of the grid.
 * @param {Grid} grid
 * @param {Triple} voxel
 * @returns {Triple}
 */
export function clamped({ size }, voxel) {
  return voxel.map((index, axis) => Math.min(Math.max(Math.round(index), 0), size[axis] - 1));
}
