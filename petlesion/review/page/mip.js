// SPDX-License-Identifier: Apache-2.0
/** The PET's coronal maximum intensity projection, with the mask's shadow, the lesions' numbers and the crosshair. */
import { drawClick, drawNumber, MARKS, stroke, wiped } from "./canvas.js";
import { voxelOf } from "./grid.js";
import { outline, pathOf } from "./outline.js";
import { table } from "./palettes.js";
import { extent, pixelOf, planeOf } from "./planes.js";
import { project, shadow } from "./projection.js";

export class Mip {
  #canvas;
  #grid;
  #plane;
  #rays;
  #view;
  #image;
  #lines = [];
  /** @type {import("./client.js").Lesion[]} */
  lesions = [];
  /** @type {import("./client.js").Click[]} */
  clicks = [];
  here = [0, 0, 0];
  showsMask = true;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./grid.js").Grid} grid
   * @param {ArrayLike<number>} petSuv of the whole grid
   * @param {import("./nifti.js").Box} box the part that is drawn
   */
  constructor(canvas, grid, petSuv, box) {
    this.#canvas = canvas;
    this.#grid = grid;
    this.#plane = planeOf(grid, "coronal");
    this.#rays = project(petSuv, grid, this.#plane);
    this.#view = viewOf(grid, this.#plane, box);
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /**
   * @param {string} palette
   * @param {number} maximum SUV shown in its last colour
   */
  paint(palette, maximum) {
    const { width, height, highest } = this.#rays;
    const colours = table(palette);
    const pixels = new ImageData(width, height);
    highest.forEach((suv, i) => {
      const at = 4 * Math.round(Math.min(Math.max(suv / maximum, 0), 1) * 255);
      pixels.data.set(colours.subarray(at, at + 4), 4 * i);
    });
    this.#image = new OffscreenCanvas(width, height);
    this.#image.getContext("2d").putImageData(pixels, 0, 0);
    this.draw();
  }

  /** @param {Uint8Array} mask of the whole grid */
  setMask(mask) {
    this.#lines = outline(shadow(mask, this.#grid, this.#plane));
    this.draw();
  }

  /**
   * The hottest voxel on the ray at a place of the page.
   * @param {{clientX: number, clientY: number}} place
   * @returns {import("./grid.js").Triple | null} null beside the image
   */
  hottestAt({ clientX, clientY }) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    const [x, y, width, height] = this.box();
    const column = Math.floor(((clientX - left - x) / width) * this.#view.width);
    const row = Math.floor(((clientY - top - y) / height) * this.#view.height);
    if (column < 0 || row < 0 || column >= this.#view.width || row >= this.#view.height) return null;
    const pixel = (this.#view.row + row) * this.#rays.width + this.#view.column + column;
    return voxelOf(this.#grid, this.#rays.offsets[pixel]);
  }

  /** Where the image lies on the canvas: left, top, width, height in pixels of the page. */
  box() {
    const { columnMm, rowMm } = extent(this.#grid, this.#plane);
    const { width, height } = this.#view;
    const { clientWidth, clientHeight } = this.#canvas;
    const scale = Math.min(clientWidth / (width * columnMm), clientHeight / (height * rowMm));
    const size = [width * columnMm * scale, height * rowMm * scale];
    return [(clientWidth - size[0]) / 2, (clientHeight - size[1]) / 2, ...size];
  }

  /** Place of a voxel's centre on the canvas, in pixels of the page. */
  placeOf(voxel) {
    const [column, row] = pixelOf(this.#grid, this.#plane, voxel);
    return this.#place(column + 0.5, row + 0.5);
  }

  #place(column, row) {
    const [x, y, width, height] = this.box();
    const view = this.#view;
    return [x + ((column - view.column) / view.width) * width, y + ((row - view.row) / view.height) * height];
  }

  draw() {
    const context = wiped(this.#canvas);
    if (!this.#image) return;
    context.imageSmoothingQuality = "high";
    const { column, row, width, height } = this.#view;
    context.drawImage(this.#image, column, row, width, height, ...this.box());
    this.#drawHere(context);
    if (this.showsMask) this.#drawMask(context);
    this.clicks.forEach(({ point, name }) => drawClick(context, this.placeOf(point), name));
  }

  #drawMask(context) {
    const path = pathOf(this.#lines, (column, row) => this.#place(column, row));
    stroke(context, path, "#0b0f14b0", 3);
    stroke(context, path, MARKS.mask, 1.5);
    this.lesions
      .filter(({ kept }) => kept)
      .forEach(({ centroid_xyz: centroid, number }) => drawNumber(context, this.placeOf(centroid), number));
  }

  #drawHere(context) {
    const [left, top, width, height] = this.box();
    const [x, y] = this.placeOf(this.here);
    const path = new Path2D();
    path.moveTo(left, y);
    path.lineTo(left + width, y);
    path.moveTo(x, top);
    path.lineTo(x, top + height);
    stroke(context, path, "#7d8a9780", 1);
  }
}

/** The pixels of a picture of the plane that show a box: first column and row, and how many. */
function viewOf(grid, plane, { low, size }) {
  const last = low.map((index, axis) => index + size[axis] - 1);
  const [[c, r], [d, s]] = [low, last].map((voxel) => pixelOf(grid, plane, voxel));
  return { column: Math.min(c, d), row: Math.min(r, s), width: Math.abs(c - d) + 1, height: Math.abs(r - s) + 1 };
}
