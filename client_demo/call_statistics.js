/**
 * The browser's statistics of a running call, once a second.
 *
 * Network figures come from getStats; the time that a frame spends in the browser is measured per frame as
 * expected display minus receipt of its last packet. Lip sync is video minus audio: the receiver's estimate of
 * the sender's time now playing, per track, on the sender's one media clock.
 */

/**
 * @typedef {{roundTripMs: number | null, jitterMs: number | null, fps: number | null, playoutMs: number | null,
 *   skewMs: number | null, lost: number}} Figures null where unknown; jitter is of the sound; skew > 0: picture late
 * @typedef {RTCInboundRtpStreamStats & {estimatedPlayoutTimestamp?: number}} Incoming a track's statistics
 */

const FRAMES_KEPT = 60; // two seconds

export class CallStatistics {
  #peer;
  #video;
  /** @type {number[]} */
  #inBrowser = [];
  /** @type {number[]} */
  #skews = [];
  /** @type {Incoming | null} */
  #last = null;
  #frameRequest = 0;

  /** @param {RTCPeerConnection} peer @param {HTMLVideoElement} video */
  constructor(peer, video) {
    this.#peer = peer;
    this.#video = video;
    if ("requestVideoFrameCallback" in video) this.#watchFrames();
  }

  stop() {
    this.#video.cancelVideoFrameCallback?.(this.#frameRequest);
  }

  /** @returns {Promise<Figures>} */
  async sample() {
    const reports = [...(await this.#peer.getStats()).values()];
    /** @returns {Incoming | undefined} */
    const incoming = (/** @type {string} */ kind) => reports.find((report) => report.type === "inbound-rtp" && report.kind === kind);
    const [audio, video] = [incoming("audio"), incoming("video")];
    const transport = reports.find(({ type }) => type === "transport");
    const pair = reports.find(({ id, type, nominated, state }) =>
      transport ? id === transport.selectedCandidatePairId : type === "candidate-pair" && nominated && state === "succeeded");
    const figures = {
      roundTripMs: milliseconds(pair?.currentRoundTripTime),
      jitterMs: milliseconds(audio?.jitter),
      fps: this.#frameRate(video),
      playoutMs: median(this.#inBrowser) ?? bufferDelay(video),
      skewMs: this.#skew(audio, video),
      lost: (audio?.packetsLost ?? 0) + (video?.packetsLost ?? 0),
    };
    this.#last = video ?? null;
    return figures;
  }

  /** @param {Incoming | undefined} video */
  #frameRate(video) {
    if (!video || !this.#last || video.timestamp === this.#last.timestamp) return null;
    return (((video.framesDecoded ?? 0) - (this.#last.framesDecoded ?? 0)) * 1000) / (video.timestamp - this.#last.timestamp);
  }

  /** Median of the last five seconds: each single estimate carries the timing of one getStats call. @param {Incoming | undefined} audio @param {Incoming | undefined} video */
  #skew(audio, video) {
    if (!audio?.estimatedPlayoutTimestamp || !video?.estimatedPlayoutTimestamp) return median(this.#skews);
    this.#skews = [...this.#skews, audio.estimatedPlayoutTimestamp - video.estimatedPlayoutTimestamp].slice(-5);
    return median(this.#skews);
  }

  #watchFrames() {
    this.#frameRequest = this.#video.requestVideoFrameCallback((_now, { expectedDisplayTime, receiveTime }) => {
      if (receiveTime) this.#inBrowser = [...this.#inBrowser, expectedDisplayTime - receiveTime].slice(-FRAMES_KEPT);
      this.#watchFrames();
    });
  }
}

/** @param {number | undefined} seconds */
function milliseconds(seconds) {
  return seconds === undefined ? null : seconds * 1000;
}

/** @param {Incoming | undefined} video */
function bufferDelay(video) {
  return video?.jitterBufferEmittedCount ? ((video.jitterBufferDelay ?? 0) / video.jitterBufferEmittedCount) * 1000 : null;
}

/** @param {number[]} values */
function median(values) {
  if (!values.length) return null;
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
