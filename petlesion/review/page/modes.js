// SPDX-License-Identifier: Apache-2.0
/**
 * What a click on a slice does: move the crosshair only, or place a click as well.
 *
 * @typedef {"navigate" | "tumor" | "background"} Mode
 */
import { isAvailable, setAvailable } from "./dom.js";

export class Modes {
  #buttons;
  /** @type {Mode} */
  mode = "navigate";
  /** Called after each choice. */
  onChange = () => {};

  /** @param {Element} group of buttons with data-mode */
  constructor(group) {
    this.#buttons = [...group.querySelectorAll("[data-mode]")];
    this.#buttons.forEach((button) => button.addEventListener("click", () => this.choose(button.dataset.mode)));
  }

  /** @param {boolean} reads whether the recipe reads clicks */
  setReadsClicks(reads) {
    this.#buttons.forEach((button) => setAvailable(button, reads || button.dataset.mode === "navigate"));
  }

  /**
   * @param {Mode} mode
   * @returns {boolean} whether it is to be had
   */
  choose(mode) {
    const chosen = this.#buttons.find((button) => button.dataset.mode === mode);
    if (!isAvailable(chosen)) return false;
    this.mode = mode;
    this.#buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === chosen)));
    this.onChange();
    return true;
  }
}
