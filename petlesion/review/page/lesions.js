// SPDX-License-Identifier: Apache-2.0
/**
 * The lesions' table and totals.
 *
 * @typedef {import("./client.js").Lesion} Lesion
 */
import { element, fill, find, terms } from "./dom.js";

/**
 * @param {Lesion[]} lesions
 * @param {{goTo: (lesion: Lesion) => void, keep: (lesion: Lesion, kept: boolean) => void}} actions
 */
export function showLesions(lesions, actions) {
  fill(find("#lesions tbody"), lesions.map((lesion) => row(lesion, actions)));
  find("#lesions .none").hidden = lesions.length > 0;
}

function row(lesion, { goTo, keep }) {
  const { number, kept } = lesion;
  const attributes = { type: "button", id: `lesion-${number}`, "aria-label": `Go to lesion ${number}` };
  const button = element("button", attributes, String(number));
  button.addEventListener("click", () => goTo(lesion));
  const box = element("input", { type: "checkbox", id: `keep-${number}`, "aria-label": `Keep lesion ${number}` });
  box.checked = kept;
  box.addEventListener("change", () => keep(lesion, box.checked));
  const made = element("tr", kept ? {} : { class: "removed" }, element("th", { scope: "row" }, button));
  const figures = [lesion.volume_ml, lesion.suv_max, lesion.suv_peak, lesion.tlg];
  made.append(...figures.map((figure) => element("td", {}, digits(figure))), element("td", {}, box));
  made.addEventListener("click", (event) => {
    if (event.target.closest("button, input") === null) goTo(lesion);
  });
  return made;
}

/** @param {import("./client.js").Totals} totals */
export function showTotals({ number, tmtv_ml: volume, tlg, dmax_mm: dmax }) {
  const unit = (text) => element("small", {}, text);
  fill(find("#totals"), terms([
    ["Lesions", String(number)],
    ["TMTV", digits(volume), unit("ml")],
    ["TLG", digits(tlg), unit("ml")],
    ["Dmax", digits(dmax === null ? null : dmax / 10), unit("cm")],
  ]));
}

/** Three figures that count; none after the point from 100 on; a dash for what is not known. */
export function digits(value) {
  if (value === null || !Number.isFinite(value)) return "\u2013";
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}
