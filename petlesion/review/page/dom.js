// SPDX-License-Identifier: Apache-2.0
/** Elements of the page. */

/** The element of a selector, which the page has. */
export const find = (selector) => document.querySelector(selector);

/**
 * A new element.
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
}

/**
 * Put other children into an element; the focus stays on what has the same id as before.
 * @param {Element} parent
 * @param {Node[]} children
 */
export function fill(parent, children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.id : "";
  parent.replaceChildren(...children);
  if (focused) document.getElementById(focused)?.focus();
}

/** A list of terms and what is said of them, for a dl. */
export function terms(pairs) {
  return pairs.map(([term, ...said]) => element("div", {}, element("dt", {}, term), element("dd", {}, ...said)));
}

/** Grey, and without effect, but still to be reached and read. */
export function setAvailable(button, available) {
  button.setAttribute("aria-disabled", String(!available));
}

/** Whether a button does something now. */
export const isAvailable = (button) => button.getAttribute("aria-disabled") !== "true";
