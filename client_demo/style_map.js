/**
 * 2D map of all styles, similar ones close together; the point blends its nearest neighbors.
 *
 * Out: event "blend" {weights: {style: share}} while the point moves, by pointer or arrow keys. In: the server's
 * positions of the styles, and the style chosen elsewhere.
 */

import { placeLabels } from "./label_layout.js";
import { pagePart } from "./page_part.js";

const NEIGHBOURS = 3;
const ASPECT = 1.45; // width of the field over its height, as in style_map.css
const SEND_INTERVAL = 120; // ms between two blends while the point moves
const STEP = 0.02; // of the field's width per arrow key
const LONG_STEP = 0.1; // with Shift
/** @type {Record<string, [number, number]>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MIN_SHARE = 0.015; // smaller shares are omitted

/** @typedef {{name: string, x: number, y: number}} StylePlace */

/**
 * Shares of the nearest positions, modified Shepard weights: 1 at a place itself, 0 at the distance of the first excluded
 * neighbor, so that shares change continuously when a neighbor changes.
 *
 * @param {{x: number, y: number}} point
 * @param {StylePlace[]} places x and y in 0..1 of the field
 * @returns {Record<string, number>} adds up to 1
 */
export function blendWeights(point, places) {
  const near = places
    .map(({ name, x, y }) => ({ name, distance: Math.max(Math.hypot((x - point.x) * ASPECT, y - point.y), 1e-6) }))
    .sort((a, b) => a.distance - b.distance);
  const reach = near[NEIGHBOURS]?.distance ?? Infinity;
  const pull = (/** @type {number} */ distance) => (reach === Infinity ? 1 / distance : (reach - distance) / (reach * distance));
  const shares = near.slice(0, NEIGHBOURS).map(/** @returns {[string, number]} */ ({ name, distance }) => [name, pull(distance)]);
  const total = shares.reduce((sum, [, share]) => sum + share, 0);
  if (total === 0) return { [near[0].name]: 1 };
  const kept = shares.filter(([, share]) => share / total >= MIN_SHARE);
  const rest = kept.reduce((sum, [, share]) => sum + share, 0);
  return Object.fromEntries(kept.map(([name, share]) => [name, share / rest]));
}

export class StyleMap extends EventTarget {
  #field;
  #lines;
  #leaders;
  #labels;
  #point;
  #said;
  /** @type {StylePlace[]} */
  #places = [];
  /** @type {Map<string, string>} */
  #titles = new Map();
  #at = { x: 0.5, y: 0.5 };
  #dragging = false;
  #timer = 0;

  /** @param {Document} page */
  constructor(page) {
    super();
    this.#field = pagePart(page, "map-field", HTMLElement);
    this.#lines = pagePart(page, "map-lines", SVGElement);
    this.#leaders = pagePart(page, "map-leaders", SVGElement);
    this.#labels = pagePart(page, "map-places", HTMLElement);
    this.#point = pagePart(page, "map-point", HTMLElement);
    this.#said = pagePart(page, "map-said", HTMLElement);
    this.#field.addEventListener("pointerdown", (event) => this.#take(event));
    this.#field.addEventListener("pointermove", (event) => this.#dragging && this.#drag(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) this.#field.addEventListener(end, () => this.#letGo());
    this.#point.addEventListener("keydown", (event) => this.#step(event));
    new ResizeObserver(() => this.arrange()).observe(this.#field);
  }

  /** Position of the point, {x, y} in 0..1 of the field. */
  get point() {
    return { ...this.#at };
  }

  /** @returns {Record<string, number>} shares by style; empty before there are places */
  get weights() {
    return this.#places.length ? blendWeights(this.#at, this.#places) : {};
  }

  /** @param {StylePlace[]} places x and y in -1..1 @param {import("./choices.js").Entry[]} styles */
  fill(places, styles) {
    this.#titles = new Map(styles.map(({ name, title }) => [name, title]));
    const listed = new Map(styles.map((style) => [style.name, style]));
    const [x, y] = [spread(places.map((place) => place.x)), spread(places.map((place) => -place.y))];
    this.#places = places.filter(({ name }) => listed.has(name)).map((place) => ({ name: place.name, x: x(place.x), y: y(-place.y) }));
    this.#labels.replaceChildren(...this.#places.flatMap((place) => {
      const style = listed.get(place.name);
      return style ? [placeElement(place, style)] : [];
    }));
    this.arrange();
  }

  /** Lays the labels out without overlap; the field must be visible. */
  arrange() {
    const field = { width: this.#field.clientWidth, height: this.#field.clientHeight };
    if (!field.width) return;
    const box = this.#labels.getBoundingClientRect();
    const outer = this.#field.getBoundingClientRect();
    const origin = { x: box.left - outer.left - this.#field.clientLeft, y: box.top - outer.top - this.#field.clientTop };
    const dots = this.#places.map(({ x, y }) => ({ x: origin.x + x * box.width, y: origin.y + y * box.height }));
    const labels = [...this.#labels.querySelectorAll("span")];
    const sizes = labels.map((label) => ({ width: label.offsetWidth, height: label.offsetHeight }));
    const leaders = placeLabels(dots, sizes, field).flatMap((free, index) => {
      const [label, dot, size] = [labels[index], dots[index], sizes[index]];
      label.style.visibility = free ? "" : "hidden"; // the dot still has its title
      if (!free) return [];
      label.style.left = `${free.left - dot.x}px`;
      label.style.top = `${free.top - dot.y}px`;
      if (free.beside) return [];
      const end = { x: free.left + size.width / 2 - origin.x, y: free.top + size.height / 2 - origin.y };
      return [lineElement(this.#places[index], { x: end.x / box.width, y: end.y / box.height })];
    });
    this.#leaders.replaceChildren(...leaders);
  }

  /** Moves the point to a style chosen elsewhere. @param {string} name */
  show(name) {
    const place = this.#places.find((candidate) => candidate.name === name);
    if (place) this.moveTo(place);
  }

  /** Moves the point without an event. @param {{x: number, y: number}} point in 0..1 of the field */
  moveTo({ x, y }) {
    this.#at = { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1) };
    this.#draw();
  }

  /** @param {PointerEvent} event */
  #take(event) {
    event.preventDefault(); // no text is selected, and the focus goes to the point
    this.#dragging = true;
    this.#field.setPointerCapture(event.pointerId);
    this.#field.classList.add("dragging");
    this.#point.focus();
    this.#drag(event);
  }

  /** @param {PointerEvent} event */
  #drag({ clientX, clientY }) {
    const { left, top, width, height } = this.#labels.getBoundingClientRect();
    this.#change({ x: (clientX - left) / width, y: (clientY - top) / height });
  }

  #letGo() {
    this.#dragging = false;
    this.#field.classList.remove("dragging");
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const direction = DIRECTIONS[event.key];
    if (!direction) return;
    event.preventDefault();
    const length = event.shiftKey ? LONG_STEP : STEP;
    this.#change({ x: this.#at.x + direction[0] * length, y: this.#at.y + direction[1] * length * ASPECT });
  }

  /** Moves the point and dispatches the event, at most once per interval and always at the end. @param {{x: number, y: number}} point */
  #change(point) {
    if (!this.#places.length) return;
    this.moveTo(point);
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.dispatchEvent(new CustomEvent("blend", { detail: { weights: this.weights } }));
    }, SEND_INTERVAL);
  }

  #draw() {
    const { x, y } = this.#at;
    const weights = this.weights;
    this.#point.style.left = `${x * 100}%`;
    this.#point.style.top = `${y * 100}%`;
    this.#lines.replaceChildren(...this.#places.filter(({ name }) => name in weights).map((place) => weighted(lineElement(this.#at, place), weights[place.name])));
    const shares = Object.entries(weights).sort(([, a], [, b]) => b - a).map(([name, share]) => ({ title: this.#titles.get(name) ?? name, percent: Math.round(share * 100) }));
    const said = shares.map(({ title, percent }) => `${title} ${percent} %`);
    this.#said.textContent = said.join(" · ");
    this.#point.setAttribute("aria-valuenow", String(shares[0]?.percent ?? 0));
    this.#point.setAttribute("aria-valuetext", said.join(", "));
  }
}

/** Maps the range of the values to 0..1; a single value to the middle. @param {number[]} values */
function spread(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return (/** @type {number} */ value) => (most > least ? (value - least) / (most - least) : 0.5);
}

/** @param {StylePlace} place @param {import("./choices.js").Entry} style */
function placeElement({ x, y }, { title, kind }) {
  const place = document.createElement("div");
  place.className = "map-place";
  place.dataset.kind = kind;
  place.style.left = `${x * 100}%`;
  place.style.top = `${y * 100}%`;
  const label = document.createElement("span");
  label.textContent = place.title = title;
  place.append(document.createElement("i"), label);
  return place;
}

/** @param {{x: number, y: number}} from @param {{x: number, y: number}} to */
function lineElement(from, to) {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ x1: from.x, y1: from.y, x2: to.x, y2: to.y })) line.setAttribute(name, String(value * 100));
  return line;
}

/** @param {SVGLineElement} line @param {number} share */
function weighted(line, share) {
  line.style.strokeWidth = `${1 + 5 * share}px`;
  return line;
}
