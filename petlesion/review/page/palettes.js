// SPDX-License-Identifier: Apache-2.0
/**
 * Colours of the PET: for NiiVue's slices and for the projection.
 *
 * @typedef {{name: string, label: string, stops: [number, string][]}} Palette  stops: 0 to 255 of the window, colour
 */

/** @type {Palette[]} */
export const PALETTES = [
  { name: "hot", label: "Hot iron", stops: [[0, "#000000"], [96, "#b01000"], [176, "#ff9a1a"], [255, "#fffbe6"]] },
  { name: "grey", label: "Inverted grey", stops: [[0, "#e6eaee"], [255, "#000000"]] },
  {
    name: "inferno",
    label: "Inferno",
    stops: [[0, "#000004"], [64, "#57106e"], [128, "#bc3754"], [192, "#f98e09"], [255, "#fcffa4"]],
  },
  {
    name: "spectrum",
    label: "Spectrum",
    stops: [[0, "#000000"], [48, "#1a2a9c"], [96, "#00a0c8"], [144, "#2fc84a"], [192, "#ffe11e"], [255, "#ff2a1a"]],
  },
];
// A fused overlay lets the CT through where the PET is cold: opaque from here on (of 255).
const OPAQUE_FROM = 70;

/** The name under which NiiVue knows a palette. */
export const niivueName = (name, fused) => `petlesion-${name}${fused ? "-fused" : ""}`;

/** @param {import("./niivue.js").Niivue} niivue */
export function addPalettes(niivue) {
  for (const { name, stops } of PALETTES) {
    niivue.addColormap(niivueName(name, false), lookup(stops, () => 255));
    niivue.addColormap(niivueName(name, true), lookup(withStop(stops, OPAQUE_FROM), translucency));
  }
}

const translucency = (at) => Math.round(Math.min(at / OPAQUE_FROM, 1) * 255);

function lookup(stops, alpha) {
  const parts = stops.map(([, colour]) => rgb(colour));
  return {
    R: parts.map(([red]) => red),
    G: parts.map(([, green]) => green),
    B: parts.map(([, , blue]) => blue),
    A: stops.map(([at]) => alpha(at)),
    I: stops.map(([at]) => at),
  };
}

function withStop(stops, at) {
  const colour = `#${colourAt(stops, at).map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
  return [...stops, [at, colour]].sort(([a], [b]) => a - b);
}

/**
 * 256 colours of a palette, four bytes each (red, green, blue, 255).
 * @param {string} name
 */
export function table(name) {
  const { stops } = PALETTES.find((one) => one.name === name);
  const bytes = new Uint8ClampedArray(4 * 256);
  for (let at = 0; at < 256; at += 1) bytes.set([...colourAt(stops, at), 255], 4 * at);
  return bytes;
}

function colourAt(stops, at) {
  const next = Math.max(stops.findIndex(([stop]) => stop >= at), 1);
  const [[from, low], [to, high]] = [stops[next - 1], stops[next]];
  const share = (at - from) / (to - from);
  return rgb(low).map((part, i) => part + share * (rgb(high)[i] - part));
}

const rgb = (colour) => [1, 3, 5].map((from) => Number.parseInt(colour.slice(from, from + 2), 16));
