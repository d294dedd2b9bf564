/**
 * The microphone: permission, choice of device, mute and voice processing.
 *
 * Out: one live audio track at a time. Events: "track" {track} when the device or the processing changes
 * it, "devices" {devices} when the list or its labels change, "ended" when the device is pulled out.
 */

import { microphoneProblem } from "./problems.js";

export class Microphone extends EventTarget {
  /** @type {MediaStreamTrack | null} */
  track = null;
  muted = false;
  processing;

  #device = "";

  /** @param {boolean} processing echo cancellation, noise suppression and automatic level */
  constructor(processing) {
    super();
    this.processing = processing;
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.#listDevices());
  }

  /**
   * @returns {Promise<MediaStreamTrack>}
   * @throws {Problem} microphone_denied, microphone_missing, microphone_busy or microphone_failed
   */
  async open() {
    return this.track?.readyState === "live" ? this.track : this.#replace();
  }

  close() {
    this.track?.stop();
    this.track = null;
  }

  /** @param {string} device id from "devices", "" for the default one */
  async choose(device) {
    this.#device = device;
    if (this.track) await this.#replace();
  }

  /** @param {boolean} processing */
  async setProcessing(processing) {
    this.processing = processing;
    if (this.track) await this.#replace();
  }

  /** A muted microphone sends silence, so the clock of the session runs on. @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    if (this.track) this.track.enabled = !muted;
  }

  async #replace() {
    const constraints = {
      echoCancellation: this.processing,
      noiseSuppression: this.processing,
      autoGainControl: this.processing,
      channelCount: 1,
      ...(this.#device && { deviceId: { exact: this.#device } }),
    };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
    } catch (error) {
      throw microphoneProblem(/** @type {DOMException} */ (error));
    }
    const [track] = stream.getAudioTracks();
    track.enabled = !this.muted;
    track.onended = () => this.dispatchEvent(new Event("ended"));
    this.track?.stop();
    this.track = track;
    await this.#listDevices();
    this.dispatchEvent(new CustomEvent("track", { detail: { track } }));
    return track;
  }

  async #listDevices() {
    const devices = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "audioinput");
    this.dispatchEvent(new CustomEvent("devices", { detail: { devices } }));
  }
}
