/**
 * The total delay, "from your microphone to the avatar", and its parts.
 *
 * Figure = capture in the browser + network round trip (up and down) + the server's delay + time from
 * receipt of a frame to its display. The server names the parts of its delay; the rest is measured by the browser.
 */

import { pagePart } from "./page_part.js";

/**
 * @typedef {{delay_ms: number, parts?: Record<string, number>, size?: number, frame_rate?: number, added_delay_ms?: number,
 *   planned?: {size: number, frame_rate: number}}} Metrics the server's message `metrics`
 */

const COLOURS = 10; // in style.css
/** @type {Record<string, string>} */
const OWN_TITLES = { capture: "Microphone", network: "Network", playout: "Display" };

export class LatencyPanel {
  #total;
  #bar;
  #legend;
  #readings;
  #quality;

  /** @param {Document} page */
  constructor(page) {
    const part = (/** @type {string} */ id) => pagePart(page, id, HTMLElement);
    this.#total = part("latency-total");
    this.#bar = part("latency-bar");
    this.#legend = part("latency-parts");
    this.#quality = part("latency-quality");
    this.#readings = Object.fromEntries(["round-trip", "jitter", "frames", "skew"].map((name) => [name, part(`reading-${name}`)]));
  }

  /**
   * @param {Metrics | null} metrics the server's last
   * @param {import("./call_statistics.js").Figures} figures the browser's last
   * @param {number} captureMs latency reported by the microphone track
   * @returns {{totalMs: number, parts: [string, number][]} | null} what is shown
   */
  show(metrics, figures, captureMs) {
    this.#read("round-trip", figures.roundTripMs, (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
    this.#read("jitter", figures.jitterMs, (value) => `${value.toFixed(1)} ms`);
    this.#read("frames", figures.fps, (value) => `${value.toFixed(1)} /s`);
    this.#read("skew", figures.skewMs, (value) => `${value > 0 ? "+" : ""}${Math.round(value)} ms`);
    this.#say(metrics ? qualityWords(metrics) : "");
    if (!metrics || figures.playoutMs === null) return null;

    /** @type {[string, number][]} */
    const known = [
      ["capture", captureMs],
      ["network", figures.roundTripMs ?? 0],
      ...serverParts(metrics),
      ["playout", figures.playoutMs],
    ];
    const parts = known.filter(([, value]) => value >= 0.5);
    const totalMs = parts.reduce((sum, [, value]) => sum + value, 0);
    this.#total.textContent = String(Math.round(totalMs));
    this.#total.removeAttribute("data-unknown");
    this.#bar.replaceChildren(...parts.map(([, value], index) => segment(value / totalMs, index)));
    this.#legend.replaceChildren(...parts.map(([name, value], index) => legendItem(OWN_TITLES[name] ?? name, value, index)));
    return { totalMs, parts };
  }

  clear() {
    this.#total.textContent = "–";
    this.#total.setAttribute("data-unknown", "");
    this.#bar.replaceChildren();
    this.#legend.replaceChildren();
    this.#say("");
    for (const reading of Object.values(this.#readings)) reading.textContent = "–";
  }

  /** @param {string} words */
  #say(words) {
    if (this.#quality.textContent !== words) this.#quality.textContent = words;
    this.#quality.hidden = !words;
  }

  /** @param {string} name @param {number | null} value @param {(value: number) => string} format */
  #read(name, value, format) {
    this.#readings[name].textContent = value === null ? "–" : format(value);
  }
}

/**
 * What a busy server has changed, in plain words; nothing when all is as planned.
 * @param {Omit<Metrics, "delay_ms">} metrics
 */
export function qualityWords({ size, frame_rate: rate, added_delay_ms: added, planned }) {
  if (!planned || size === undefined || rate === undefined || added === undefined) return "";
  const changes = [
    added > 0 && `the delay is ${Math.round(added)} ms longer`,
    size < planned.size && `the video has ${size} instead of ${planned.size} lines`,
    rate < planned.frame_rate && `it has ${rate} instead of ${planned.frame_rate} frames per second`,
  ].filter(Boolean);
  return changes.length ? `The server is busy: ${changes.join(", ")}.` : "";
}

/**
 * The parts add up to the server's delay but for its rounding: a larger rest gets a name too.
 * @param {Metrics} metrics @returns {[string, number][]}
 */
function serverParts({ delay_ms: delay, parts }) {
  const known = Object.entries(parts ?? {});
  const rest = delay - known.reduce((sum, [, value]) => sum + value, 0);
  return rest >= 2 ? [...known, ["other", rest]] : known;
}

/** @param {number} share @param {number} index */
function segment(share, index) {
  const element = document.createElement("i");
  element.style.flexGrow = String(share);
  element.dataset.part = String(index % COLOURS);
  return element;
}

/** @param {string} title @param {number} value @param {number} index */
function legendItem(title, value, index) {
  const item = document.createElement("li");
  item.dataset.part = String(index % COLOURS);
  const name = document.createElement("span");
  name.textContent = title[0].toUpperCase() + title.slice(1);
  const figure = document.createElement("b");
  figure.textContent = String(Math.round(value));
  item.append(name, figure);
  return item;
}
