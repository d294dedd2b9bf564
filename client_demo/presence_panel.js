/**
 * Presence: what the avatar attends to and how lively it is while it does not speak. Out: event "change".
 */

/** @typedef {{attention: string, stillness: number}} Presence */

export class PresencePanel extends EventTarget {
  #attention;
  #stillness;

  /** @param {HTMLSelectElement} attention @param {HTMLInputElement} stillness type=range, 0 to 1 */
  constructor(attention, stillness) {
    super();
    this.#attention = attention;
    this.#stillness = stillness;
    for (const control of [attention, stillness]) {
      control.addEventListener("change", () => this.dispatchEvent(new Event("change")));
    }
  }

  /** @returns {Presence} */
  get value() {
    return { attention: this.#attention.value, stillness: Number(this.#stillness.value) };
  }

  /** @param {Presence | undefined} presence */
  fill(presence) {
    if (!presence) return;
    this.#attention.value = presence.attention;
    this.#stillness.value = String(presence.stillness);
  }
}
