/**
 * Detects dead connections of a call long before the browser does.
 *
 * Silence alone may be a temporary stall. The connections are given up when the server answers on a new one while they
 * are still silent, as after a network change, or when they have been silent for so long that the server has freed the
 * slot.
 */

import { serverAnswers } from "./reachability.js";

const LOOK_INTERVAL = 100; // ms
const SILENCE = 600; // ms; audio arrives every 20 ms, even in silence
const ANSWER_WITHIN = 1250; // ms
const LAST_CHANCE = 300; // ms for the old connections to recover once a new one works
const PLACE_LOST = 4000; // ms; the server's own timeout for a silent client
const ASLEEP = 2000; // ms without a check: the page was suspended, not the network

export class Lifeline {
  #trace;
  #onLost;
  /** @type {number | null} */
  #timer;
  /** @type {unknown} */
  #last = null;
  #heardAt = performance.now();
  #lookedAt = performance.now();
  #askedAt = 0;

  /**
   * @param {() => unknown} trace changes with every message and audio packet; null until the first one
   * @param {() => void} onLost called once
   */
  constructor(trace, onLost) {
    this.#trace = trace;
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL);
  }

  stop() {
    clearInterval(this.#timer ?? undefined);
    this.#timer = null;
  }

  #look() {
    const now = performance.now(), trace = this.#trace();
    const asleep = now - this.#lookedAt > ASLEEP;
    this.#lookedAt = now;
    if (trace === null || trace !== this.#last || asleep) {
      this.#last = trace;
      this.#heardAt = now;
    } else if (now - this.#heardAt > PLACE_LOST) {
      this.#giveUp();
    } else if (now - this.#heardAt > SILENCE && now - this.#askedAt > 2 * LOOK_INTERVAL) {
      this.#askedAt = now;
      this.#ask(trace);
    }
  }

  /** @param {unknown} trace */
  async #ask(trace) {
    if (!(await serverAnswers(ANSWER_WITHIN))) return;
    await new Promise((resolve) => setTimeout(resolve, LAST_CHANCE));
    if (this.#trace() === trace) this.#giveUp();
  }

  #giveUp() {
    if (this.#timer === null) return;
    this.stop();
    this.#onLost();
  }
}
