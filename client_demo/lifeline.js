/**
 * Notices that the connections of a call are dead, long before the browser says so.
 *
 * Silence alone may be a stall that passes. The connections are given up when the server answers on a new one while
 * they are still silent, as after a change of network, or when they have been silent for so long that the server has
 * given the place away.
 */

import { serverAnswers } from "./reachability.js";

const LOOK_INTERVAL = 100; // ms
const SILENCE = 600; // ms; sound comes every 20 ms, whatever is said
const ANSWER_WITHIN = 1250; // ms
const LAST_CHANCE = 300; // ms for the old connections to speak up once a new one works
const PLACE_LOST = 4000; // ms; the server's own patience with a silent client
const ASLEEP = 2000; // ms without a look: the page stood still, not the network

export class Lifeline {
  #trace;
  #onLost;
  #timer;
  #last = null;
  #heardAt = performance.now();
  #lookedAt = performance.now();
  #askedAt = 0;

  /**
   * @param {() => unknown} trace changes with every sign of life; null until the first one, which is waited for
   * @param {() => void} onLost called once
   */
  constructor(trace, onLost) {
    this.#trace = trace;
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL);
  }

  stop() {
    clearInterval(this.#timer);
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
