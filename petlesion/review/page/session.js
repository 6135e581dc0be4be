// SPDX-License-Identifier: Apache-2.0
/** The state that the server keeps, as far as the page knows it. */
import { getState } from "./client.js";

const POLL_MS = 250;

/** @typedef {import("./client.js").State} State */

export class Session {
  /** @type {State | null} */
  state = null;
  #timer = 0;
  /** Called with each new state, and the one before it (or null). */
  onState = async () => {};
  /** Called with the sentence of a refusal or failure. */
  onError = () => {};

  /** Whether the server can be asked for something new. */
  get isFree() {
    return this.state !== null && !this.state.busy;
  }

  /**
   * Ask the server for something, and take the state that it answers.
   * @param {() => Promise<State>} request
   * @returns {Promise<boolean>} whether it was done
   */
  async ask(request) {
    clearTimeout(this.#timer);
    try {
      await this.#take(await request());
      return true;
    } catch (error) {
      this.onError(error.message);
      return false;
    } finally {
      if (this.state?.busy) this.#timer = setTimeout(() => this.ask(getState), POLL_MS);
    }
  }

  async #take(state) {
    const before = this.state;
    this.state = state;
    await this.onState(state, before);
  }
}
