/**
 * Avatar picker with thumbnails. Out: event "change".
 */

import { choiceElement, chosenValue } from "./choices.js";

export class AvatarPanel extends EventTarget {
  #list;
  /** @type {import("./choices.js").Entry[]} */
  #avatars = [];

  /** @param {HTMLElement} list */
  constructor(list) {
    super();
    this.#list = list;
    list.addEventListener("change", () => this.dispatchEvent(new Event("change")));
  }

  /** @returns {import("./choices.js").Entry | null} */
  get value() {
    const name = chosenValue(this.#list);
    return this.#avatars.find((avatar) => avatar.name === name) ?? null;
  }

  /** @param {import("./choices.js").Entry[]} avatars @param {string | null} chosen */
  fill(avatars, chosen) {
    this.#avatars = avatars;
    this.#list.replaceChildren(...avatars.map(({ name, title, thumbnail }) =>
      choiceElement({ group: "avatar", value: name, title, thumbnail, className: "portrait" })));
    const inputs = [...this.#list.querySelectorAll("input")];
    const first = inputs.find(({ value }) => value === chosen) ?? inputs[0];
    if (first) first.checked = true;
  }
}
