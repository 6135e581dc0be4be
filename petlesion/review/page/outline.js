// SPDX-License-Identifier: Apache-2.0
/**
 * The outline of what is inside in a picture, along the pixels' edges.
 *
 * @typedef {{width: number, height: number, inside: Uint8Array}} Picture  row by row
 * @typedef {[number, number, number, number]} Line  from column, row to column, row; pixel (i, j) covers i..i+1, j..j+1
 */

/**
 * @param {Picture} picture
 * @returns {Line[]} neighbouring edges joined to one line
 */
export function outline({ width, height, inside }) {
  const at = (column, row) =>
    column >= 0 && column < width && row >= 0 && row < height ? inside[row * width + column] : 0;
  const across = runs(height + 1, width, (row, column) => at(column, row - 1) !== at(column, row));
  const down = runs(width + 1, height, (column, row) => at(column - 1, row) !== at(column, row));
  return [
    ...across.map(([row, from, to]) => [from, row, to, row]),
    ...down.map(([column, from, to]) => [column, from, column, to]),
  ];
}

/** Runs of true along each line: [line, from, to). */
function runs(lines, length, isEdge) {
  const found = [];
  for (let line = 0; line < lines; line += 1) {
    let from = -1;
    for (let i = 0; i <= length; i += 1) {
      const edge = i < length && isEdge(line, i);
      if (edge && from < 0) from = i;
      if (!edge && from >= 0) {
        found.push([line, from, i]);
        from = -1;
      }
    }
  }
  return found;
}

/**
 * A path of the lines, to be stroked.
 * @param {Line[]} lines
 * @param {(column: number, row: number) => [number, number]} place of a pixel's corner on the canvas
 */
export function pathOf(lines, place) {
  const path = new Path2D();
  for (const [fromColumn, fromRow, toColumn, toRow] of lines) {
    path.moveTo(...place(fromColumn, fromRow));
    path.lineTo(...place(toColumn, toRow));
  }
  return path;
}
