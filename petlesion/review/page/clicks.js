// SPDX-License-Identifier: Apache-2.0
/** The list of clicks. */
import { element, fill, find } from "./dom.js";

/** What a reader calls a click. */
export const CLICK_WORDS = { tumor: "Tumour", background: "Background" };

/**
 * @param {import("./client.js").Click[]} clicks
 * @param {(point: [number, number, number]) => void} goTo
 */
export function showClicks(clicks, goTo) {
  fill(find("#clicks ol"), clicks.map((click) => item(click, goTo)));
  find("#clicks .none").hidden = clicks.length > 0;
}

function item({ id, name, point }, goTo) {
  const words = `${CLICK_WORDS[name]} ${point.join(", ")}`;
  const attributes = { type: "button", id: `click-${id}`, class: name, "aria-label": `Go to click: ${words}` };
  const button = element("button", attributes);
  button.append(element("span", { class: "ring", "aria-hidden": "true" }, name === "tumor" ? "+" : "\u2212"), words);
  button.addEventListener("click", () => goTo(point));
  return element("li", {}, button);
}
