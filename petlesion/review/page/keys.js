// SPDX-License-Identifier: Apache-2.0
/**
 * The keyboard. Single keys can be turned off (WCAG 2.1.4); keys that a control has a use for are left to it.
 *
 * @typedef {{actions: Record<string, () => void>, move: (steps: [number, number, number]) => void,
 *   place: () => void}} Commands  actions by key; move by voxels to the right, the front, the head
 */

const STEPS = {
  ArrowLeft: [1, 0, 0],
  ArrowRight: [-1, 0, 0],
  ArrowUp: [0, 1, 0],
  ArrowDown: [0, -1, 0],
  PageUp: [0, 0, 1],
  PageDown: [0, 0, -1],
};
const FAR = 10; // voxels, with Shift
const TAKES_LETTERS = "input[type=number], input[type=text], textarea, select";
const TAKES_STEPS = "input, select, textarea, .scroll, .scroll *";
const TAKES_ENTER = "button, input, select, textarea, a, dialog *";

/**
 * @param {Commands} commands
 * @param {{areSingleKeysOn: () => boolean}} settings
 */
export function listen({ actions, move, place }, { areSingleKeysOn }) {
  const run = (event) => {
    const { key, shiftKey, target } = event;
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return false;
    const far = shiftKey ? FAR : 1;
    if (STEPS[key]) return !target.closest(TAKES_STEPS) && done(() => move(STEPS[key].map((n) => n * far)));
    if (key === "Enter") return !target.closest(TAKES_ENTER) && done(place);
    const action = Object.hasOwn(actions, key) ? actions[key] : null;
    return action && areSingleKeysOn() && !target.closest(TAKES_LETTERS) && done(action);
  };
  // Before NiiVue, which has keys of its own on its canvas.
  window.addEventListener("keydown", (event) => {
    if (run(event)) event.preventDefault();
    if (event.target.id === "slices") event.stopPropagation();
  }, { capture: true });
}

function done(action) {
  action();
  return true;
}
