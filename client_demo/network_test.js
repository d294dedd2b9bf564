/**
 * Connection test before a call: the server's response, the control channel, and the arrival of video and audio.
 *
 * The last two open a short call with a silent microphone; during a call, they measure that call instead.
 */

import { Call } from "./call.js";
import { CallStatistics } from "./call_statistics.js";
import { ControlChannel } from "./control_channel.js";
import { serverGone } from "./problems.js";

/** @typedef {{state: "good" | "poor" | "failed", said: string}} Result */
/**
 * @typedef {{opened: {close: () => unknown}[], control?: {channel: ControlChannel, created: import("./control_channel.js").Message}}} Visit
 *   what the checks have opened, to be closed at their end
 */

const ROUNDS = 5;
const LISTENING = 4000; // ms
const FEW_FRAMES = 15; // per second
const MANY_LOST = 0.03; // share of packets
const SLOW_ROUND_TRIP = 200; // ms

/**
 * @param {RTCPeerConnection | null} running the peer of a running call
 * @param {(check: {name: string, state: "running" | "good" | "poor" | "failed", said: string}) => void} show
 * @param {AbortSignal} cancelled
 */
export async function testNetwork(running, show, cancelled) {
  /** @type {Visit} */
  const visit = { opened: [] };
  const close = () => visit.opened.splice(0).forEach((one) => one.close());
  cancelled.addEventListener("abort", close);
  /** @type {[string, () => Promise<Result>][]} */
  const checks = [
    ["Server", answers],
    ["Control channel", () => (running ? inUse() : control(visit))],
    ["Video and audio", () => (running ? media(running) : trialCall(visit))],
  ];
  for (const [name, check] of checks) {
    show({ name, state: "running", said: "…" });
    const result = await check().catch(failed);
    if (cancelled.aborted) break;
    show({ name, ...result });
    if (result.state === "failed") break;
  }
  close();
}

/** @returns {Promise<Result>} */
async function answers() {
  const took = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    const response = await fetch("healthz", { cache: "no-store" }).catch(() => null);
    if (!response?.ok) throw serverGone();
    took.push(performance.now() - began);
  }
  return judged(`answers in ${milliseconds(median(took))}`, median(took) > SLOW_ROUND_TRIP, "it is slow; a nearer server would reduce the delay");
}

/** @returns {Promise<Result>} */
async function inUse() {
  return { state: "good", said: "in use by the running call" };
}

/** @param {Visit} visit @returns {Promise<Result>} */
async function control(visit) {
  const took = [];
  /** @type {(value?: unknown) => void} */
  let pong = () => {};
  const { channel, created } = await ControlChannel.open(null, { onMessage: ({ type }) => type === "pong" && pong(), onClose: () => pong() });
  visit.opened.push(channel);
  visit.control = { channel, created };
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    await new Promise((resolve) => {
      pong = resolve;
      channel.send({ type: "ping", t: began });
    });
    took.push(performance.now() - began);
  }
  return judged(`round trip ${milliseconds(median(took))}`, median(took) > SLOW_ROUND_TRIP, "style changes will be late");
}

/** A call with a silent microphone, which ends when the visit closes what it has opened. @param {Visit} visit @returns {Promise<Result>} */
async function trialCall(visit) {
  if (!visit.control) throw serverGone();
  const { channel, created } = visit.control;
  const context = new AudioContext();
  const silence = context.createMediaStreamDestination().stream.getAudioTracks()[0];
  const call = new Call(silence, created.ice_servers, () => {});
  visit.opened.push(call, context);
  await call.open(channel.address("whip", created.session));
  return media(call.peer, call.stream);
}

/** @param {RTCPeerConnection} peer @param {MediaStream | null} stream where nothing plays it yet: only then are pictures decoded @returns {Promise<Result>} */
async function media(peer, stream = null) {
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = stream;
  const statistics = new CallStatistics(peer, video);
  if (stream) await video.play();
  const [first, received] = [await statistics.sample(), await packets(peer)];
  await new Promise((resolve) => setTimeout(resolve, LISTENING));
  const [last, later] = [await statistics.sample(), await packets(peer)];
  statistics.stop();
  video.srcObject = null;
  const lost = (last.lost - first.lost) / Math.max(later - received + last.lost - first.lost, 1);
  if (!last.fps) throw new Error("Connected, but no video arrives: a firewall may block UDP; ask for the server's UDP ports to be opened.");
  const said = `${Math.round(last.fps)} frames/s, ${(100 * lost).toFixed(1)} % lost, round trip ${milliseconds(last.roundTripMs ?? 0)}`;
  if (lost > MANY_LOST) return judged(said, true, "use a cable or move closer to the access point");
  return judged(said, last.fps < FEW_FRAMES, "this machine or the server is busy; close other programs");
}

/** @param {RTCPeerConnection} peer */
async function packets(peer) {
  const reports = [...(await peer.getStats()).values()].filter(({ type }) => type === "inbound-rtp");
  return reports.reduce((sum, { packetsReceived }) => sum + packetsReceived, 0);
}

/** @param {string} said @param {boolean} poor @param {string} advice @returns {Result} */
function judged(said, poor, advice) {
  return poor ? { state: "poor", said: `${said}: ${advice}` } : { state: "good", said };
}

/** @param {Error} error @returns {Result} */
function failed(error) {
  return { state: "failed", said: error.message };
}

/** @param {number} value */
function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
