/**
 * Background picker: chips and a custom color. Out: event "change".
 */

import { choiceElement, chosenValue } from "./choices.js";

const UNSEEN = "transparent"; // a call has no transparency

export class BackgroundPanel extends EventTarget {
  #list;
  #colour;
  /** @type {import("./choices.js").Background[]} */
  #backgrounds = [];

  /** @param {HTMLElement} list @param {HTMLInputElement} colour type=color */
  constructor(list, colour) {
    super();
    this.#list = list;
    this.#colour = colour;
    list.addEventListener("change", () => this.dispatchEvent(new Event("change")));
    colour.addEventListener("change", () => {
      for (const input of list.querySelectorAll("input")) input.checked = false;
      this.dispatchEvent(new Event("change"));
    });
  }

  /** @returns {string} the name of a listed background, or a colour #rrggbb */
  get value() {
    return chosenValue(this.#list) ?? this.#colour.value;
  }

  /** @returns {import("./choices.js").Background | null} null for a colour that is not listed */
  get chosen() {
    return this.#backgrounds.find(({ name }) => name === this.value) ?? null;
  }

  /** @param {import("./choices.js").Background[]} backgrounds @param {string | null} chosen */
  fill(backgrounds, chosen) {
    this.#backgrounds = backgrounds;
    const shown = backgrounds.filter(({ kind }) => kind !== UNSEEN);
    this.#list.replaceChildren(...shown.map(chip));
    const inputs = [...this.#list.querySelectorAll("input")];
    const listed = inputs.find(({ value }) => value === chosen);
    if (listed) listed.checked = true;
    else if (chosen?.startsWith("#")) this.#colour.value = chosen;
    else if (inputs.length) inputs[0].checked = true;
  }
}

/** @param {import("./choices.js").Background} background */
function chip({ name, title, kind }) {
  const label = choiceElement({ group: "background", value: name, title, className: "chip" });
  if (kind !== "color") return label;
  const swatch = document.createElement("i");
  swatch.style.background = name;
  label.insertBefore(swatch, label.lastElementChild);
  return label;
}
