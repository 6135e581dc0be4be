// SPDX-License-Identifier: Apache-2.0
/** What the drawings over the images share. */

/** Colours of marks, as in review.css: mask, tumour click, background click, crosshair. */
export const MARKS = { mask: "#3ddbd9", tumor: "#ff7a1a", background: "#5aa9ff", crosshair: "#9fb0bf" };

/**
 * A context whose unit is a pixel of the page, on a canvas as large as the page shows it, wiped.
 * @param {HTMLCanvasElement} canvas
 */
export function wiped(canvas) {
  const ratio = window.devicePixelRatio;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/**
 * A click: a ring with a plus for a tumour, with a minus for background.
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number]} place of its centre
 * @param {import("./client.js").ClickName} name
 */
export function drawClick(context, [x, y], name) {
  const path = new Path2D();
  path.arc(x, y, 6, 0, 2 * Math.PI);
  path.moveTo(x - 3, y);
  path.lineTo(x + 3, y);
  if (name === "tumor") {
    path.moveTo(x, y - 3);
    path.lineTo(x, y + 3);
  }
  stroke(context, path, "#000000b0", 3.5);
  stroke(context, path, MARKS[name], 1.75);
}

/**
 * A lesion's number beside it.
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number]} place
 * @param {number} number
 */
export function drawNumber(context, [x, y], number) {
  context.font = "600 12px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = "#0b0f14";
  context.fillStyle = MARKS.mask;
  context.strokeText(number, x + 8, y - 8);
  context.fillText(number, x + 8, y - 8);
}

/** Stroke a path. */
export function stroke(context, path, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}
