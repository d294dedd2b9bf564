/**
 * Records the avatar's video and audio into a file, labelled as AI-generated in its name and metadata.
 *
 * Out: event "state" {recording}, event "saved" {name} when the file has been passed to the browser.
 */

import { withTags } from "./webm_tags.js";

const FORMATS = ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];
const VIDEO_BITS = 2_500_000; // per second
const PIECE = 1000; // ms
const MARK = { TITLE: "AI-generated video", COMMENT: "AI-generated face: StyleTalk Live avatar, not a recording of a person." };

export class Recorder extends EventTarget {
  /** @type {MediaRecorder | null} */
  #recorder = null;

  static get supported() {
    return "MediaRecorder" in window && FORMATS.some((format) => MediaRecorder.isTypeSupported(format));
  }

  get recording() {
    return this.#recorder !== null;
  }

  /** @param {MediaStream} stream */
  start(stream) {
    if (this.#recorder) return;
    const mimeType = FORMATS.find((format) => MediaRecorder.isTypeSupported(format)) ?? FORMATS[0];
    const recorder = new MediaRecorder(new MediaStream(stream.getTracks()), { mimeType, videoBitsPerSecond: VIDEO_BITS });
    /** @type {Blob[]} */
    const pieces = [];
    recorder.ondataavailable = ({ data }) => data.size && pieces.push(data);
    recorder.onstop = () => this.#save(pieces, mimeType.split(";")[0]);
    recorder.start(PIECE);
    this.#recorder = recorder;
    this.#tell("state", { recording: true });
  }

  /** Ends the recording, if any, and passes the file to the browser. */
  stop() {
    const recorder = this.#recorder;
    if (!recorder) return;
    this.#recorder = null;
    if (recorder.state !== "inactive") recorder.stop(); // it is when the tracks have ended
    this.#tell("state", { recording: false });
  }

  /** @param {Blob[]} pieces @param {string} type */
  async #save(pieces, type) {
    this.stop();
    if (!pieces.length) return;
    const marked = type === "video/webm" ? await withTags(pieces, MARK) : pieces;
    const name = `styletalk-ai-generated-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}.${type.split("/")[1]}`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(marked, { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    this.#tell("saved", { name });
  }

  /** @param {string} type @param {object} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
