// SPDX-License-Identifier: Apache-2.0
/** The controls of what is seen: layout, images, windows, colours. */
import { element } from "./dom.js";
import { niivueName, PALETTES } from "./palettes.js";

/** CT windows: name, level and width in HU. */
const WINDOWS = [
  ["Soft tissue", 40, 400],
  ["Lung", -600, 1500],
  ["Bone", 400, 1800],
  ["Liver", 90, 150],
  ["Brain", 40, 80],
];

export class Display {
  #form;
  #controls;
  #slices;
  #overlay;
  #mip;

  /**
   * @param {HTMLFormElement} form
   * @param {{slices: import("./slices.js").Slices, overlay: import("./overlay.js").Overlay,
   *   mip: import("./mip.js").Mip}} views
   * @param {import("./client.js").Case} study
   */
  constructor(form, { slices, overlay, mip }, study) {
    this.#form = form;
    this.#controls = form.elements;
    this.#slices = slices;
    this.#overlay = overlay;
    this.#mip = mip;
    this.#fillLists(study);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => this.#apply(event.target.name));
    ["layout", "images", "maximum"].forEach((name) => this.#apply(name));
  }

  /** Choose a layout, as its radio button does. */
  chooseLayout(layout) {
    this.#controls.layout.value = layout;
    this.#apply("layout");
  }

  /** Show or hide the mask, as its box does. */
  toggleMask() {
    this.#controls.mask.checked = !this.#controls.mask.checked;
    this.#apply("mask");
  }

  #fillLists({ pet_window_suv: [, maximum], ct_window_hu: [low, high] }) {
    const controls = this.#controls;
    controls.palette.append(...PALETTES.map(({ name, label }) => element("option", { value: name }, label)));
    controls.window.append(...WINDOWS.map(([name]) => element("option", { value: name }, name)));
    controls.window.append(element("option", { value: "" }, "Own"));
    controls.maximum.max = Math.max(40, Math.ceil(maximum));
    controls.maximum.value = maximum;
    controls.level.value = (low + high) / 2;
    controls.width.value = high - low;
    this.#nameWindow();
  }

  #apply(name) {
    if (name === "layout") this.#slices.show(this.#controls.layout.value);
    else if (name === "mask") this.#showMask(this.#controls.mask.checked);
    else if (name === "maximum") this.#setMaximum(this.#controls.maximum.valueAsNumber);
    else if (name === "window") this.#takePreset(this.#controls.window.value);
    else if (name === "level" || name === "width") this.#setWindow();
    else this.#blend();
  }

  #showMask(shown) {
    this.#overlay.showsMask = shown;
    this.#mip.showsMask = shown;
    this.#overlay.refresh();
    this.#mip.draw();
  }

  #setMaximum(suv) {
    this.#controls.suv.value = String(suv);
    this.#slices.setPetMaximum(suv);
    this.#paintMip();
  }

  #takePreset(name) {
    const preset = WINDOWS.find(([known]) => known === name);
    if (preset) [, this.#controls.level.value, this.#controls.width.value] = preset;
    this.#setWindow();
  }

  #setWindow() {
    const level = this.#controls.level.valueAsNumber;
    const width = this.#controls.width.valueAsNumber;
    if (!(Number.isFinite(level) && width > 0)) return;
    this.#slices.setCtWindow([level - width / 2, level + width / 2]);
    this.#nameWindow();
  }

  #nameWindow() {
    const { window, level, width } = this.#controls;
    const [at, wide] = [level.valueAsNumber, width.valueAsNumber];
    const known = WINDOWS.find(([, ...figures]) => figures[0] === at && figures[1] === wide);
    window.value = known ? known[0] : "";
  }

  #blend() {
    const { images, palette, fusion } = this.#controls;
    const fused = images.value === "fused";
    fusion.disabled = !fused;
    const petOpacity = { fused: fusion.valueAsNumber / 100, pet: 1, ct: 0 }[images.value];
    this.#slices.blend(niivueName(palette.value, fused), images.value === "pet" ? 0 : 1, petOpacity);
    this.#paintMip();
  }

  /** The projection is inverted grey, as readers know it, unless the PET's own colours are chosen without the CT. */
  #paintMip() {
    const { images, palette, maximum } = this.#controls;
    this.#mip.paint(images.value === "pet" ? palette.value : "grey", maximum.valueAsNumber);
  }
}
