/**
 * One WebRTC call over WHIP: sends the microphone, receives the avatar's video and the delayed audio.
 *
 * A call is used once. There is no ICE restart: when the path is lost (`onLost`), the session opens a new call.
 */

import { connectionLost, responseProblem, serverGone } from "./problems.js";

const GATHERING_TIMEOUT = 1000; // ms; candidates known by then go into the offer
const CONNECT_TIMEOUT = 10000; // ms from the offer to the first connected state
const DISCONNECTED_GRACE = 3000; // ms in which "disconnected" may recover by itself

export class Call {
  /** @type {RTCPeerConnection} */
  peer;
  /** Video and audio of the avatar; its tracks arrive while `open` runs. */
  stream = new MediaStream();

  #sender;
  #grace = 0;
  #onLost;

  /** @param {MediaStreamTrack} microphone @param {RTCIceServer[]} relays @param {() => void} onLost called once when a connected call breaks */
  constructor(microphone, relays, onLost) {
    this.peer = new RTCPeerConnection({ iceServers: relays, bundlePolicy: "max-bundle" });
    this.#onLost = onLost;
    this.#sender = this.peer.addTransceiver(microphone, { direction: "sendrecv" }).sender;
    offerVp8(this.peer.addTransceiver("video", { direction: "recvonly" }));
    this.peer.ontrack = ({ track }) => this.stream.addTrack(track);
  }

  /**
   * @param {URL} address to post the session's offer to
   * @throws {Problem} server_full, warming_up, server_gone, connection_lost or the server's own code
   */
  async open(address) {
    await this.peer.setLocalDescription();
    await gathered(this.peer);
    const response = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: this.peer.localDescription?.sdp,
    }).catch(() => {
      throw serverGone();
    });
    if (response.status !== 201) throw await responseProblem(response);
    await this.peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    await this.#connected();
    this.peer.onconnectionstatechange = () => this.#watch();
  }

  /** Changes while audio arrives, silent or not; undefined before. */
  get heard() {
    const receiver = this.peer.getReceivers().find(({ track }) => track.kind === "audio");
    return receiver?.getSynchronizationSources()[0]?.rtpTimestamp;
  }

  /** Replaces the microphone without a new call. @param {MediaStreamTrack} track */
  async replaceMicrophone(track) {
    await this.#sender.replaceTrack(track);
  }

  /** Ends the call here; on the server it ends with the control channel. */
  close() {
    clearTimeout(this.#grace);
    this.peer.onconnectionstatechange = null;
    this.peer.close();
  }

  /** @returns {Promise<void>} resolves when connected @throws {Problem} connection_lost */
  #connected() {
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(connectionLost()), CONNECT_TIMEOUT);
      this.peer.onconnectionstatechange = () => {
        const state = this.peer.connectionState;
        if (state !== "connected" && state !== "failed") return;
        clearTimeout(timeout);
        if (state === "connected") resolve();
        else reject(connectionLost());
      };
    });
  }

  #watch() {
    clearTimeout(this.#grace);
    if (this.peer.connectionState === "failed") this.#onLost();
    if (this.peer.connectionState === "disconnected") this.#grace = setTimeout(this.#onLost, DISCONNECTED_GRACE);
  }
}

/** The server sends VP8; other codecs would only make the offer longer. @param {RTCRtpTransceiver} transceiver */
function offerVp8(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => ["video/vp8", "video/rtx"].includes(mimeType.toLowerCase())));
}

/** @param {RTCPeerConnection} peer @returns {Promise<void>} */
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timeout = setTimeout(resolve, GATHERING_TIMEOUT);
    peer.onicegatheringstatechange = () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(timeout);
      resolve();
    };
  });
}
