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
   */
  constructor(canvas, grid, petSuv) {
    this.#canvas = canvas;
    this.#grid = grid;
    this.#plane = planeOf(grid, "coronal");
    this.#rays = project(petSuv, grid, this.#plane);
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
    const column = Math.floor(((clientX - left - x) / width) * this.#rays.width);
    const row = Math.floor(((clientY - top - y) / height) * this.#rays.height);
    const inside = column >= 0 && row >= 0 && column < this.#rays.width && row < this.#rays.height;
    return inside ? voxelOf(this.#grid, this.#rays.offsets[row * this.#rays.width + column]) : null;
  }

  /** Where the image lies on the canvas: left, top, width, height in pixels of the page. */
  box() {
    const { width, height, columnMm, rowMm } = extent(this.#grid, this.#plane);
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
    return [x + (column / this.#rays.width) * width, y + (row / this.#rays.height) * height];
  }

  draw() {
    const context = wiped(this.#canvas);
    if (!this.#image) return;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#image, ...this.box());
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
