// SPDX-License-Identifier: Apache-2.0
/** The review page: its parts, and what each control and key does with them. */
import { addClick, getCase, getMask, getState, keepLesion, redo, save, undo } from "./client.js";
import { CLICK_WORDS, showClicks } from "./clicks.js";
import { Display } from "./display.js";
import { find, isAvailable, setAvailable } from "./dom.js";
import { headings } from "./grid.js";
import { listen } from "./keys.js";
import { showLesions, showTotals } from "./lesions.js";
import { Mip } from "./mip.js";
import { Modes } from "./modes.js";
import { readMask } from "./nifti.js";
import { Overlay } from "./overlay.js";
import { onStillClick, returnFocus } from "./pointer.js";
import { Session } from "./session.js";
import { Slices } from "./slices.js";
import { outcome, say, showCase, summary, showLocation, showProgress } from "./words.js";

class Review {
  #slices = new Slices(find("#slices"));
  #overlay = new Overlay(find("#marks"), this.#slices);
  #modes = new Modes(find("#modes"));
  #session = new Session();
  #mip;
  #display;
  #revision = -1;
  #lesion = -1; // place in the list of the one that was gone to

  async start() {
    const study = await getCase();
    showCase(study);
    await this.#slices.load(study);
    this.#mip = new Mip(find("#mip"), this.#slices.grid, this.#slices.petSuv);
    const views = { slices: this.#slices, overlay: this.#overlay, mip: this.#mip };
    this.#display = new Display(find("#display"), views, study);
    this.#modes.setReadsClicks(study.reads_clicks);
    this.#listen();
    await this.#session.ask(getState);
    this.#goToStart();
    find("#loading").hidden = true;
    document.body.dataset.ready = "true";
    if (this.#session.isFree) say(summary(this.#session.state));
  }

  #listen() {
    this.#slices.onChange = () => this.#showHere();
    this.#session.onState = (state, before) => this.#show(state, before);
    this.#session.onError = say;
    onStillClick(find("#slices"), (place) => this.#clickSlice(place));
    onStillClick(find("#mip"), (place) => this.#goTo(this.#mip.hottestAt(place)));
    returnFocus(find("aside"), find("#slices"));
    find("#undo").addEventListener("click", () => this.#undo());
    find("#redo").addEventListener("click", () => this.#redo());
    find("#save").addEventListener("click", () => this.#save());
    find("#show-help").addEventListener("click", () => find("#help").showModal());
    find("#close-help").addEventListener("click", () => find("#help").close());
    const commands = { actions: this.#actions(), move: (steps) => this.#move(steps), place: () => this.#placeHere() };
    listen(commands, { areSingleKeysOn: () => find("#single-keys").checked });
  }

  #actions() {
    const choose = (mode) => () => this.#modes.choose(mode);
    const zoom = (step) => () => this.#slices.zoom(step);
    const layout = (name) => () => this.#display.chooseLayout(name);
    return {
      ...{ t: choose("tumor"), b: choose("background"), n: choose("navigate") },
      ...{ u: () => this.#undo(), r: () => this.#redo(), s: () => this.#save() },
      ...{ "[": () => this.#goToNext(-1), "]": () => this.#goToNext(1), m: () => this.#display.toggleMask() },
      ...{ 1: layout("all"), 2: layout("axial"), 3: layout("coronal"), 4: layout("sagittal") },
      ...{ "+": zoom(1), "=": zoom(1), "-": zoom(-1), 0: zoom(0), "?": () => find("#help").showModal() },
    };
  }

  // --- where -------------------------------------------------------------------------------------------------------

  #goTo(voxel) {
    if (voxel) this.#slices.goTo(voxel);
  }

  #goToStart() {
    const [first] = this.#session.state?.lesions ?? [];
    this.#goTo(first ? first.centroid_xyz : this.#slices.grid.size.map((n) => n / 2));
  }

  #goToLesion(lesion) {
    this.#lesion = this.#session.state.lesions.indexOf(lesion);
    this.#goTo(lesion.centroid_xyz);
    say(`Lesion ${lesion.number}.`);
  }

  #goToNext(step) {
    const lesions = this.#session.state?.lesions ?? [];
    if (lesions.length === 0) return;
    const from = this.#lesion < 0 && step < 0 ? 0 : this.#lesion;
    this.#goToLesion(lesions[(from + step + lesions.length) % lesions.length]);
  }

  #move(steps) {
    const voxel = [...this.#slices.voxel];
    headings(this.#slices.grid).forEach(({ axis, sign }, world) => {
      voxel[axis] += sign * steps[world];
    });
    this.#goTo(voxel);
  }

  #showHere() {
    const here = this.#slices.voxel;
    this.#mip.here = here;
    this.#mip.draw();
    this.#overlay.refresh();
    showLocation(this.#slices, here);
  }

  // --- clicks and lesions --------------------------------------------------------------------------------------------

  #clickSlice(place) {
    const voxel = this.#slices.voxelAt(place);
    if (!voxel) return;
    this.#goTo(voxel);
    if (this.#modes.mode !== "navigate") this.#place(voxel);
  }

  #placeHere() {
    if (this.#modes.mode === "navigate") say("Choose tumour (t) or background (b) click first.");
    else this.#place(this.#slices.voxel);
  }

  #place(voxel) {
    const { mode } = this.#modes;
    this.#ask(() => addClick(mode, voxel), `${CLICK_WORDS[mode]} click at ${voxel.join(", ")}: computing.`);
  }

  #undo() {
    if (isAvailable(find("#undo"))) this.#ask(undo, "Undone.");
  }

  #redo() {
    if (isAvailable(find("#redo"))) this.#ask(redo, "Done again.");
  }

  #keep({ number }, kept) {
    this.#ask(() => keepLesion(number, kept), `Lesion ${number} ${kept ? "kept" : "removed"}.`);
  }

  async #ask(request, said) {
    if (!this.#session.isFree) say("Please wait: the mask is being computed.");
    else if (await this.#session.ask(request)) say(said);
    this.#showLists(this.#session.state);
  }

  async #save() {
    if (!this.#session.isFree) {
      say("Please wait: the mask is being computed.");
      return;
    }
    say("Saving.");
    try {
      const { files, folder } = await save();
      say(`Saved in ${folder}: ${files.join(", ")}.`);
    } catch (error) {
      say(error.message);
    }
  }

  // --- what the server says ------------------------------------------------------------------------------------------

  async #show(state, before) {
    if (state.busy) showProgress(state);
    setAvailable(find("#undo"), state.can_undo && !state.busy);
    setAvailable(find("#redo"), state.can_redo && !state.busy);
    setAvailable(find("#save"), !state.busy);
    this.#overlay.clicks = state.clicks;
    this.#mip.clicks = state.clicks;
    this.#mip.lesions = state.lesions;
    this.#showLists(state);
    await this.#takeMask(state.revision);
    showProgress(state);
    document.body.dataset.revision = String(state.revision);
    this.#showHere();
    if (before?.busy && !state.busy) say(outcome(state));
    else if (state.message) say(state.message);
  }

  #showLists(state) {
    if (!state) return;
    const goTo = (lesion) => this.#goToLesion(lesion);
    showLesions(state.lesions, { goTo, keep: (lesion, kept) => this.#keep(lesion, kept) });
    showTotals(state.totals);
    showClicks(state.clicks, (point) => this.#goTo(point));
  }

  async #takeMask(revision) {
    if (revision === this.#revision) return;
    const mask = await readMask(await getMask(revision), this.#slices.grid);
    this.#revision = revision;
    this.#overlay.mask = mask;
    this.#mip.setMask(mask);
  }
}

try {
  await new Review().start();
} catch (error) {
  find("#loading").textContent = error.message;
  say(error.message);
}
