// SPDX-License-Identifier: Apache-2.0
/**
 * The fused slices. NiiVue draws CT and PET; which voxel lies where is worked out here, from NiiVue's own placing of
 * its tiles: it turns every volume to R, A, S and speaks in fractions of that, whatever the order of the file.
 *
 * @typedef {import("./grid.js").Grid} Grid
 * @typedef {import("./grid.js").Triple} Triple
 * @typedef {{plane: string, box: number[], place: (voxel: Triple) => [number, number]}} Tile
 *   box: left, top, width, height; place: of a voxel's centre; both in pixels of the page within the canvas
 */
import { clamped, toMm, toVoxel } from "./grid.js";
import { bodyBox } from "./body.js";
import { getCt, getPet } from "./client.js";
import { addPalettes } from "./palettes.js";
import { PLANES } from "./planes.js";
import { cropped, readVolume } from "./nifti.js";
import { Niivue, NVImage } from "./niivue.js";

const CT = 0;
const PET = 1;
const ZOOM_STEP = 1.25;
const HIGHEST_ZOOM = 12;
const LAYOUTS = {
  all: [
    { sliceType: 1, position: [0, 0, 0.5, 1] },
    { sliceType: 0, position: [0.5, 0, 0.5, 0.5] },
    { sliceType: 2, position: [0.5, 0.5, 0.5, 0.5] },
  ],
  axial: [{ sliceType: 0, position: [0, 0, 1, 1] }],
  coronal: [{ sliceType: 1, position: [0, 0, 1, 1] }],
  sagittal: [{ sliceType: 2, position: [0, 0, 1, 1] }],
};
const OPTIONS = {
  backColor: [0, 0, 0, 1],
  clipPlaneHotKey: "",
  crosshairWidth: 0,
  cycleClipPlaneHotKey: "",
  dragAndDropEnabled: false,
  dragMode: 0,
  fontColor: [0.62, 0.68, 0.74, 1],
  fontMinPx: 12,
  isRadiologicalConvention: true,
  loadingText: "",
  logLevel: "error",
  multiplanarShowRender: 0,
  sagittalNoseLeft: true,
  viewModeHotKey: "",
};

export class Slices {
  #niivue = new Niivue(OPTIONS);
  #canvas;
  /** @type {import("./nifti.js").Box} the part that NiiVue has */
  #box;
  #due = 0;
  /** @type {Grid} of the PET */
  grid;
  /** SUV of every voxel, x fastest. @type {Float32Array} */
  petSuv;
  /** HU of every voxel, x fastest. @type {Int16Array} */
  ctHu;
  /** Called after everything that moves what is seen. */
  onChange = () => {};

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
  }

  /**
   * Load both volumes.
   * @param {import("./client.js").Case} study
   */
  async load(study) {
    const niivue = this.#niivue;
    await niivue.attachToCanvas(this.#canvas);
    addPalettes(niivue);
    const [ct, pet] = await Promise.all([getCt().then(readVolume), getPet().then(readVolume)]);
    [this.grid, this.petSuv, this.ctHu] = [pet.grid, pet.values, ct.values];
    this.#box = bodyBox(ct);
    niivue.setCustomLayout(LAYOUTS.all);
    niivue.addVolume(await NVImage.new(cropped(ct, this.#box), "ct.nii", "gray", 1, null, ...study.ct_window_hu));
    niivue.addVolume(await NVImage.new(cropped(pet, this.#box), "pet.nii", "gray", 1, null, ...study.pet_window_suv));
    niivue.onLocationChange = () => this.onChange();
    this.#canvas.addEventListener("dblclick", (event) => event.stopImmediatePropagation(), { capture: true });
    this.#canvas.addEventListener("wheel", (event) => this.#zoomByWheel(event), { capture: true });
    new ResizeObserver(() => requestAnimationFrame(() => this.onChange())).observe(this.#canvas);
  }

  /** The voxel under the crosshair. */
  get voxel() {
    return this.#voxelAtFraction(this.#niivue.scene.crosshairPos);
  }

  /** @param {Triple} voxel the nearest one that is drawn is gone to */
  goTo(voxel) {
    const { low, size } = this.#box;
    const inside = clamped({ size }, voxel.map((index, axis) => index - low[axis]));
    this.#niivue.scene.crosshairPos = this.#fractionOf(inside.map((index, axis) => index + low[axis]));
    this.#zoomTo(this.#niivue.scene.pan2Dxyzmm[3]);
  }

  /**
   * The voxel that is seen at a place of the page.
   * @param {{clientX: number, clientY: number}} place
   * @returns {Triple | null} null beside the slices
   */
  voxelAt({ clientX, clientY }) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    const ratio = this.#ratio();
    const fraction = this.#niivue.canvasPos2frac([(clientX - left) * ratio, (clientY - top) * ratio]);
    return fraction[0] < 0 ? null : this.#voxelAtFraction(fraction);
  }

  /** @returns {Tile[]} */
  tiles() {
    return this.#niivue.screenSlices.map((tile) => ({
      plane: PLANES[tile.axCorSag],
      box: tile.leftTopWidthHeight.map((pixels) => pixels / this.#ratio()),
      place: (voxel) => this.#placeIn(tile, voxel),
    }));
  }

  /** @param {"all" | "axial" | "coronal" | "sagittal"} layout */
  show(layout) {
    this.#niivue.setCustomLayout(LAYOUTS[layout]);
    this.onChange();
  }

  /** Zoom about the crosshair: by one step in (1), out (-1), or back to the whole (0). */
  zoom(step) {
    const zoom = this.#niivue.scene.pan2Dxyzmm[3] * ZOOM_STEP ** step;
    this.#zoomTo(step === 0 ? 1 : Math.min(Math.max(zoom, 1), HIGHEST_ZOOM));
  }

  /** NiiVue shows (edge - pan) / zoom at an edge: with this pan the crosshair stays where it would be without zoom. */
  #zoomTo(zoom) {
    const mm = this.#niivue.frac2mm(this.#niivue.scene.crosshairPos);
    this.#niivue.setPan2Dxyzmm([0, 1, 2].map((axis) => (1 - zoom) * mm[axis]).concat(zoom));
    this.onChange();
  }

  /** @param {[number, number]} hu lowest and highest */
  setCtWindow([low, high]) {
    this.#set(CT, { cal_min: low, cal_max: high });
  }

  /** @param {number} suv shown in the palette's last colour */
  setPetMaximum(suv) {
    this.#set(PET, { cal_max: suv });
  }

  /**
   * @param {string} palette of the PET
   * @param {number} ctOpacity 0 to 1
   * @param {number} petOpacity 0 to 1
   */
  blend(palette, ctOpacity, petOpacity) {
    this.#niivue.volumes[PET].colormap = palette;
    this.#niivue.volumes[CT].opacity = ctOpacity;
    this.#set(PET, { opacity: petOpacity });
  }

  #set(volume, properties) {
    Object.assign(this.#niivue.volumes[volume], properties);
    cancelAnimationFrame(this.#due);
    // once for all that is set between two pictures: every voxel is coloured anew
    this.#due = requestAnimationFrame(() => {
      this.#niivue.updateGLVolume();
      this.onChange();
    });
  }

  #zoomByWheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.zoom(event.deltaY < 0 || event.deltaX < 0 ? 1 : -1);
  }

  #ratio() {
    return this.#canvas.width / this.#canvas.clientWidth;
  }

  /** The file's voxel at a fraction of the volume that is turned to R, A, S. */
  #voxelAtFraction(fraction) {
    const { dimsRAS, matRAS } = this.#niivue.volumes[PET];
    const turned = [0, 1, 2].map((axis) =>
      Math.min(Math.max(Math.floor(fraction[axis] * dimsRAS[axis + 1]), 0), dimsRAS[axis + 1] - 1),
    );
    return clamped(this.grid, toVoxel(this.grid, toMm({ affine: rowsOf(matRAS) }, turned)));
  }

  /** The fraction at the centre of a voxel of the file; one beside the centre for a fraction of a voxel. */
  #fractionOf(voxel) {
    const { dimsRAS, matRAS } = this.#niivue.volumes[PET];
    const turned = toVoxel({ affine: rowsOf(matRAS) }, toMm(this.grid, voxel));
    return turned.map((index, axis) => (index + 0.5) / dimsRAS[axis + 1]);
  }

  #placeIn(tile, voxel) {
    const mm = this.#niivue.frac2mm(this.#fractionOf(voxel));
    const [across, up] = { 0: [0, 1], 1: [0, 2], 2: [1, 2] }[tile.axCorSag];
    const [left, top, width, height] = tile.leftTopWidthHeight;
    const x = left + ((mm[across] - tile.leftTopMM[0]) / tile.fovMM[0]) * width;
    const y = top + (1 - (mm[up] - tile.leftTopMM[1]) / tile.fovMM[1]) * height;
    return [x / this.#ratio(), y / this.#ratio()];
  }
}

/** Rows of a 4 x 4 matrix that is kept row by row. */
function rowsOf(matrix) {
  return [0, 1, 2, 3].map((row) => Array.from(matrix.slice(4 * row, 4 * row + 4)));
}
