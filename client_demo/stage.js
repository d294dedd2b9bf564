/**
 * Video area: poster before the first frame, then the video; notices and the speaking indicator.
 */

import { pagePart } from "./page_part.js";

const FIRST_FRAME_FALLBACK = "loadeddata"; // for browsers without requestVideoFrameCallback
const CAPTION_STAYS = 4000; // ms after the end of a sentence

export class Stage {
  #root;
  #video;
  #poster;
  #ambience;
  #speaking;
  #recording;
  #caption;
  #captionEnd = 0;
  #notice;
  #countdown = 0;

  /** @param {Document} page */
  constructor(page) {
    this.#root = pagePart(page, "stage", HTMLElement);
    this.#video = pagePart(page, "avatar-video", HTMLVideoElement);
    this.#poster = pagePart(page, "poster", HTMLImageElement);
    this.#ambience = pagePart(page, "ambience", HTMLCanvasElement);
    this.#speaking = pagePart(page, "speaking", HTMLElement);
    this.#recording = pagePart(page, "recording", HTMLElement);
    this.#caption = pagePart(page, "caption", HTMLElement);
    this.#notice = pagePart(page, "notice", HTMLElement);
    this.#poster.addEventListener("load", () => drawAmbience(this.#ambience, this.#poster));
    pagePart(page, "notice-close", HTMLElement).addEventListener("click", () => this.clearNotice());
  }

  get video() {
    return this.#video;
  }

  /** @param {{title: string, thumbnail: string}} avatar shown while no video plays */
  setPoster({ title, thumbnail }) {
    this.#poster.src = thumbnail;
    this.#poster.hidden = false;
    this.#poster.alt = `Portrait of ${title}`;
  }

  /** @param {MediaStream} stream */
  play(stream) {
    this.#video.srcObject = stream;
    this.#video.play().catch(() => {}); // play() rejects if the stream is replaced
    const reveal = () => {
      if (this.#video.srcObject === stream) this.#root.classList.add("playing");
    };
    if ("requestVideoFrameCallback" in this.#video) this.#video.requestVideoFrameCallback(reveal);
    else /** @type {HTMLVideoElement} */ (this.#video).addEventListener(FIRST_FRAME_FALLBACK, reveal, { once: true });
  }

  /** @param {"idle" | "connecting" | "live" | "reconnecting"} state */
  setState(state) {
    this.#root.dataset.state = state;
    if (state !== "live") {
      this.setSpeaking(false);
      this.setCaption("", false);
    }
    if (state === "idle") {
      this.#root.classList.remove("playing");
      this.#video.srcObject = null;
    }
  }

  /** @param {boolean} speaking */
  setSpeaking(speaking) {
    this.#speaking.hidden = !speaking;
  }

  /** @param {boolean} recording */
  setRecording(recording) {
    this.#recording.hidden = !recording;
  }

  /** Shows a caption; a final one disappears after a while. @param {string} text @param {boolean} final */
  setCaption(text, final) {
    clearTimeout(this.#captionEnd);
    this.#caption.textContent = text;
    this.#caption.hidden = !text;
    if (final) this.#captionEnd = setTimeout(() => (this.#caption.hidden = true), CAPTION_STAYS);
  }

  /** @param {boolean} silenced */
  setSilenced(silenced) {
    this.#video.muted = silenced;
  }

  /** @param {string} sentence @param {number | null} retryIn seconds until the page tries again by itself */
  showNotice(sentence, retryIn = null) {
    clearInterval(this.#countdown);
    const text = this.#notice.querySelector("p");
    const wait = document.createElement("span");
    wait.setAttribute("aria-hidden", "true"); // announcing the countdown would interrupt the message
    text?.replaceChildren(sentence, " ", wait);
    this.#notice.hidden = false;
    if (retryIn === null) return;
    const until = performance.now() + retryIn * 1000;
    const show = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      wait.textContent = left > 0 ? `Trying again in ${left} s.` : "Trying again …";
    };
    show();
    this.#countdown = setInterval(show, 250);
  }

  clearNotice() {
    clearInterval(this.#countdown);
    this.#notice.hidden = true;
  }
}

/** The portrait's colours without its shapes: drawn once very small and stretched, because a CSS blur costs every frame. @param {HTMLCanvasElement} canvas @param {HTMLImageElement} portrait */
function drawAmbience(canvas, portrait) {
  const drawing = canvas.getContext("2d");
  if (!drawing) return;
  drawing.imageSmoothingQuality = "high";
  let side = canvas.width;
  drawing.drawImage(portrait, 0, 0, side, side);
  for (; side > 5; side /= 2) drawing.drawImage(canvas, 0, 0, side, side, 0, 0, side / 2, side / 2);
  for (; side < canvas.width; side *= 2) drawing.drawImage(canvas, 0, 0, side, side, 0, 0, side * 2, side * 2);
}
