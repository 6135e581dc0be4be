// SPDX-License-Identifier: Apache-2.0
/** What the page says: of the case, of the crosshair's place, of progress, and in its status line. */
import { element, fill, find, terms } from "./dom.js";
import { offsetOf } from "./grid.js";
import { digits } from "./lesions.js";

/** Say a sentence in the status line, which screen readers read out. */
export function say(sentence) {
  find("#message").textContent = sentence;
}

/** @param {import("./client.js").Case} study */
export function showCase(study) {
  document.title = `${study.name} \u2013 petlesion review`;
  const facts = [["Case", study.name], ["Tracer", study.tracer ?? "unknown"], ["Recipe", study.recipe]];
  fill(find("#case"), terms([...facts, ["Device", study.device]]));
  const grid = `${study.size_xyz.join(" x ")} voxels of ${study.spacing_mm.map(digits).join(" x ")} mm`;
  find("#about").textContent = `petlesion ${study.version}. PET: ${grid}.`;
  const warnings = [...study.warnings];
  if (!study.reads_clicks) warnings.push("This recipe does not read clicks: lesions can be removed, not added.");
  fill(find("#warnings ul"), warnings.map((warning) => element("li", {}, warning)));
  find("#warnings").hidden = warnings.length === 0;
  find("#warnings summary").textContent = warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`;
}

/**
 * @param {import("./slices.js").Slices} slices
 * @param {import("./grid.js").Triple} voxel
 */
export function showLocation({ grid, petSuv, ctHu }, voxel) {
  const offset = offsetOf(grid, voxel);
  const suv = petSuv[offset].toFixed(2);
  find("#location").textContent = `Voxel ${voxel.join(", ")}   SUV ${suv}   CT ${Math.round(ctHu[offset])} HU`;
}

/** @param {import("./client.js").State} state */
export function showProgress({ busy, progress }) {
  document.body.dataset.busy = String(busy);
  find("#progress").value = busy ? progress : 0;
}

/**
 * The sentence at the end of a run.
 * @param {import("./client.js").State} state
 */
export function outcome(state) {
  const { message, seconds, tiles } = state;
  const time = seconds === null ? "" : ` in ${digits(seconds)} s`;
  const share = tiles ? ` (${tiles.computed} of ${tiles.computed + tiles.reused} tiles computed)` : "";
  return message || `Mask updated${time}${share}: ${summary(state)}`;
}

/**
 * The totals in a sentence.
 * @param {import("./client.js").State} state
 */
export function summary({ totals: { number, tmtv_ml: volume } }) {
  return `${number} ${number === 1 ? "lesion" : "lesions"}, TMTV ${digits(volume)} ml.`;
}
