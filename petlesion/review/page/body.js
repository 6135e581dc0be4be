// SPDX-License-Identifier: Apache-2.0
/** Where the patient is in a scanner's wide field: only that part is drawn, which leaves more of the screen for it. */

const TISSUE_HU = -400;
const MARGIN = 4; // voxels
const AXES = [0, 1, 2];

/**
 * The box of all voxels with tissue, or the table under it, and a margin; everything where there is none.
 * @param {import("./nifti.js").Volume} ct in HU
 * @returns {import("./nifti.js").Box}
 */
export function bodyBox({ grid: { size }, values }) {
  const [low, high] = [[...size], [-1, -1, -1]];
  let offset = 0;
  for (let z = 0; z < size[2]; z += 1) {
    for (let y = 0; y < size[1]; y += 1) {
      for (let x = 0; x < size[0]; x += 1, offset += 1) {
        if (values[offset] > TISSUE_HU) widen(low, high, x, y, z);
      }
    }
  }
  if (high[0] < 0) return { low: [0, 0, 0], size };
  const from = AXES.map((axis) => Math.max(low[axis] - MARGIN, 0));
  return { low: from, size: AXES.map((axis) => Math.min(high[axis] + MARGIN + 1, size[axis]) - from[axis]) };
}

function widen(low, high, x, y, z) {
  if (x < low[0]) low[0] = x;
  if (x > high[0]) high[0] = x;
  if (y < low[1]) low[1] = y;
  if (y > high[1]) high[1] = y;
  if (z < low[2]) low[2] = z;
  if (z > high[2]) high[2] = z;
}
