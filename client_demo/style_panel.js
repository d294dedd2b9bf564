/**
 * Style picker: tiles with thumbnails (emotions, manners, uploads), intensity 0-1.5 and cross-fade time.
 *
 * Out: event "change" {style, weights, intensity, fadeMs}; a blend has weights and no style. In: `applied` when the
 * server confirms; until then the chip is marked as pending, and it fills over the cross-fade time.
 */

import { choiceElement, chosenValue } from "./choices.js";

/** @typedef {{style: string | null, weights: Record<string, number> | null, intensity: number, fadeMs: number}} StyleChoice */

/** @type {Record<string, string>} */
const GROUPS = { emotion: "Emotions", manner: "Manners", user: "Yours" };
const BLANK = "data:,"; // until the avatar is known
const SLIDER_PAUSE = 80; // ms without movement before a slider is sent

export class StylePanel extends EventTarget {
  #list;
  #intensity;
  #fade;
  /** @type {Record<string, number> | null} */
  #weights = null;
  /** @type {import("./choices.js").Entry[]} */
  #styles = [];
  /** @type {import("./choices.js").Entry | null} */
  #wearer = null;
  #timer = 0;

  /** @param {HTMLElement} list @param {HTMLInputElement} intensity @param {HTMLInputElement} fade */
  constructor(list, intensity, fade) {
    super();
    this.#list = list;
    this.#intensity = intensity;
    this.#fade = fade;
    list.addEventListener("change", (event) => {
      this.#weights = null;
      this.settle();
      /** @type {HTMLInputElement} */ (event.target).parentElement?.classList.add("pending");
      this.#tell();
    });
    for (const slider of [intensity, fade]) {
      slider.addEventListener("input", () => {
        this.#showSliders();
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#tell(), SLIDER_PAUSE);
      });
    }
    this.#showSliders();
  }

  /** @returns {StyleChoice} */
  get value() {
    return {
      style: chosenValue(this.#list),
      weights: this.#weights,
      intensity: Number(this.#intensity.value),
      fadeMs: Number(this.#fade.value),
    };
  }

  /** @returns {import("./choices.js").Entry | null} null for a blend */
  get chosen() {
    return this.#styles.find(({ name }) => name === this.value.style) ?? null;
  }

  /** @param {import("./choices.js").Entry[]} styles @param {string | null} chosen */
  fill(styles, chosen) {
    this.#styles = styles;
    this.#weights = null;
    const groups = new Map();
    for (const style of styles) groups.set(style.kind, [...(groups.get(style.kind) ?? []), style]);
    const order = Object.keys(GROUPS);
    const kinds = [...groups.keys()].sort((a, b) => order.indexOf(a) - order.indexOf(b));
    this.#list.replaceChildren(...kinds.map((kind) => groupElement(kind, groups.get(kind))));
    this.wear(this.#wearer);
    const inputs = [...this.#list.querySelectorAll("input")];
    const first = inputs.find(({ value }) => value === chosen) ?? inputs.find(({ value }) => value === "conversational") ?? inputs[0];
    if (first) first.checked = true;
  }

  /** Shows the styles on this avatar, once more if it has changed. @param {import("./choices.js").Entry | null} avatar */
  wear(avatar) {
    this.#wearer = avatar;
    if (avatar === null) return;
    const wearer = new URLSearchParams({ avatar: avatar.name, of: avatar.thumbnail });
    for (const { name, thumbnail } of this.#styles) {
      const image = this.#list.querySelector(`input[value="${CSS.escape(name)}"] + img`);
      if (image instanceof HTMLImageElement) image.src = `${thumbnail}&${wearer}`;
    }
  }

  /** @param {{intensity?: number, fadeMs?: number}} settings */
  setSliders({ intensity, fadeMs }) {
    if (intensity !== undefined) this.#intensity.value = String(intensity);
    if (fadeMs !== undefined) this.#fade.value = String(fadeMs);
    this.#showSliders();
  }

  /** Chooses the n-th chip (from 0), as a click would. @param {number} index */
  choose(index) {
    this.#list.querySelectorAll("input")[index]?.click();
  }

  /** @param {number} steps of the slider, negative for less */
  stepIntensity(steps) {
    this.#intensity.stepUp(steps);
    this.#intensity.dispatchEvent(new Event("input"));
  }

  /** Takes a blend from the style map, without an event; a chip is highlighted only for a single style. @param {Record<string, number>} weights */
  blend(weights) {
    const names = Object.keys(weights);
    for (const input of this.#list.querySelectorAll("input")) input.checked = names.length === 1 && input.value === names[0];
    this.#weights = names.length === 1 ? null : weights;
    this.settle();
  }

  /** @param {string | null} style null for a blend */
  applied(style) {
    if (style === null) return;
    const chip = this.#list.querySelector(`input[value="${CSS.escape(style)}"]`)?.parentElement;
    if (!chip?.classList.contains("pending")) return;
    chip.classList.remove("pending");
    chip.style.setProperty("--fade", `${this.#fade.value}ms`);
    chip.classList.add("fading");
    chip.addEventListener("animationend", () => chip.classList.remove("fading"), { once: true });
  }

  /** The call ended: nothing is pending any more. */
  settle() {
    for (const chip of this.#list.querySelectorAll("label")) chip.classList.remove("pending", "fading");
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("change", { detail: this.value }));
  }

  #showSliders() {
    show(this.#intensity, Number(this.#intensity.value).toFixed(2));
    show(this.#fade, `${(Number(this.#fade.value) / 1000).toFixed(1)} s`);
  }
}

/** @param {HTMLInputElement} slider @param {string} text */
function show(slider, text) {
  const [min, max, value] = [slider.min, slider.max, slider.value].map(Number);
  slider.style.setProperty("--filled", String((value - min) / (max - min)));
  slider.setAttribute("aria-valuetext", text);
  for (const output of document.querySelectorAll(`output[for="${slider.id}"]`)) output.textContent = text;
}

/** @param {string} kind @param {import("./choices.js").Entry[]} styles */
function groupElement(kind, styles) {
  const group = document.createElement("div");
  group.className = "style-group";
  const title = document.createElement("h3");
  title.textContent = GROUPS[kind] ?? kind;
  const chips = document.createElement("div");
  chips.className = "tiles";
  chips.append(...styles.map(({ name, title: text }) => choiceElement({ group: "style", value: name, title: text, className: "tile", thumbnail: BLANK })));
  group.append(title, chips);
  return group;
}
