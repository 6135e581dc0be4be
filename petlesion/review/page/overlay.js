// SPDX-License-Identifier: Apache-2.0
/**
 * What lies over the slices: the mask's outline, the clicks of the slice, and the crosshair.
 *
 * @typedef {import("./slices.js").Tile} Tile
 */
import { drawClick, MARKS, stroke, wiped } from "./canvas.js";
import { outline, pathOf } from "./outline.js";
import { planeOf } from "./planes.js";
import { slice } from "./projection.js";

const GAP = 9; // of the crosshair, in pixels, so that it hides nothing of its voxel

export class Overlay {
  #canvas;
  #slices;
  #due = 0;
  /** @type {Uint8Array | null} */
  mask = null;
  /** @type {import("./client.js").Click[]} */
  clicks = [];
  showsMask = true;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./slices.js").Slices} slices
   */
  constructor(canvas, slices) {
    this.#canvas = canvas;
    this.#slices = slices;
  }

  /** Draw with the next picture, however often it is asked for until then. */
  refresh() {
    cancelAnimationFrame(this.#due);
    this.#due = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const context = wiped(this.#canvas);
    for (const tile of this.#slices.tiles()) {
      context.save();
      context.beginPath();
      context.rect(...tile.box);
      context.clip();
      this.#drawTile(context, tile, planeOf(this.#slices.grid, tile.plane));
      context.restore();
    }
  }

  #drawTile(context, tile, plane) {
    const here = this.#slices.voxel;
    if (this.mask && this.showsMask) this.#drawMask(context, tile, plane, here);
    drawCrosshair(context, tile.place(here), tile.box);
    this.clicks
      .filter(({ point }) => point[plane.depth] === here[plane.depth])
      .forEach(({ point, name }) => drawClick(context, tile.place(point), name));
  }

  #drawMask(context, tile, plane, here) {
    const { grid } = this.#slices;
    const lines = outline(slice(this.mask, grid, plane, here[plane.depth]));
    const [left, top] = tile.place(cornerOf(grid, plane, 0, 0, here));
    const [right, bottom] = tile.place(cornerOf(grid, plane, 1, 1, here));
    const place = (column, row) => [left + column * (right - left), top + row * (bottom - top)];
    const path = pathOf(lines, place);
    stroke(context, path, "#00000090", 3);
    stroke(context, path, MARKS.mask, 1.5);
  }
}

/** The corner of a pixel of the plane: half a voxel before its centre. */
function cornerOf(grid, { columns, rows }, column, row, here) {
  const voxel = [...here];
  for (const [{ axis, sign }, index] of [[columns, column - 0.5], [rows, row - 0.5]]) {
    voxel[axis] = sign > 0 ? index : grid.size[axis] - 1 - index;
  }
  return voxel;
}

function drawCrosshair(context, [x, y], [left, top, width, height]) {
  const path = new Path2D();
  path.moveTo(left, y);
  path.lineTo(x - GAP, y);
  path.moveTo(x + GAP, y);
  path.lineTo(left + width, y);
  path.moveTo(x, top);
  path.lineTo(x, y - GAP);
  path.moveTo(x, y + GAP);
  path.lineTo(x, top + height);
  stroke(context, path, `${MARKS.crosshair}a0`, 1);
}
