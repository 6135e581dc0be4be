// SPDX-License-Identifier: Apache-2.0
/** The mouse. */

const STILL_PX = 4; // moved less between down and up, it has clicked and not dragged

/**
 * Hear of clicks of the first button that are no drags.
 * @param {HTMLElement} target
 * @param {(event: PointerEvent) => void} action
 */
export function onStillClick(target, action) {
  let down = null;
  target.addEventListener("pointerdown", (event) => {
    down = event.button === 0 ? event : null;
  });
  target.addEventListener("click", (event) => {
    if (down && Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < STILL_PX) action(event);
    down = null;
  });
}

/**
 * After a click of the mouse on a button the keys are the slices' again, so that Enter places a click there; whoever
 * came by the Tab key stays.
 * @param {HTMLElement} buttons their parent
 * @param {HTMLElement} slices
 */
export function returnFocus(buttons, slices) {
  buttons.addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.closest("button")) slices.focus({ preventScroll: true });
  });
}
