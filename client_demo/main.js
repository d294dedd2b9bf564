/**
 * Wires the page together. Every module owns one concept; this file only passes their events on.
 *
 * For tests and curious users, `window.styletalk` shows the running state, read-only: `state`, `session` (id), `peer`
 * (RTCPeerConnection), `microphone` (MediaStreamTrack), `metrics` (the server's latest), `statistics` (the browser's
 * last), `latency` ({totalMs, parts}), `events` (the server's last 200 other messages, each with `at` in ms).
 */

import { CallStatistics } from "./call_statistics.js";
import { ConversationButton } from "./conversation_button.js";
import { onDetail } from "./event_detail.js";
import { LatencyPanel } from "./latency_panel.js";
import { LevelMeter } from "./level_meter.js";
import { Microphone } from "./microphone.js";
import { connectMicrophone } from "./microphone_panel.js";
import { installNetworkTest } from "./network_test_dialog.js";
import { pagePart } from "./page_part.js";
import { loadPreferences, savePreferences } from "./preferences.js";
import { Problem, pageFailed, unsupportedReason } from "./problems.js";
import { Recorder } from "./recorder.js";
import { Session } from "./session.js";
import { Settings } from "./settings.js";
import { installShortcuts } from "./shortcuts.js";
import { Stage } from "./stage.js";

const STATE_TEXT = { idle: "Ready", connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" };
const STATISTICS_INTERVAL = 1000; // ms
const EVENTS_KEPT = 200;
const LIST_RETRY = 3000; // ms between attempts to load the styles while the server starts

const element = (/** @type {string} */ id) => pagePart(document, id, HTMLElement);
const button = (/** @type {string} */ id) => pagePart(document, id, HTMLButtonElement);
const dialog = (/** @type {string} */ id) => pagePart(document, id, HTMLDialogElement);
const preferences = loadPreferences();
const stage = new Stage(document);
const meter = new LevelMeter(element("meter"));
const settings = new Settings(document, preferences);
const recorder = new Recorder();
const latencyPanel = new LatencyPanel(document);
const microphone = new Microphone(preferences.processing ?? true);
const session = new Session();
const conversation = new ConversationButton(button("converse"));

/**
 * @type {{metrics: import("./latency_panel.js").Metrics | null, statistics: import("./call_statistics.js").Figures | null,
 *   latency: ReturnType<LatencyPanel["show"]>, events: object[]}}
 */
const view = { metrics: null, statistics: null, latency: null, events: [] };
/** @type {CallStatistics | null} */
let statistics = null;
let liveSince = 0;

// ---- start and stop

async function start() {
  stage.clearNotice();
  button("start").disabled = true;
  try {
    const track = await microphone.open();
    meter.listen(track);
    session.configure({ avatar: settings.avatar?.name ?? null, background: settings.background, presence: settings.presence, ...settings.style });
    session.start(track);
  } catch (error) {
    stage.showNotice((error instanceof Problem ? error : pageFailed(error)).message);
  } finally {
    button("start").disabled = false;
  }
}

function stop() {
  stage.clearNotice();
  session.stop();
}

const toggleSession = () => (session.state === "idle" ? start() : stop());

// ---- session -> page

onDetail(session, "state", (/** @type {{state: import("./session.js").State}} */ { state }) => {
  const idle = state === "idle";
  element("connection").dataset.state = state;
  element("connection-text").textContent = STATE_TEXT[state];
  element("start").textContent = idle ? "Start" : "Stop";
  element("start").classList.toggle("running", !idle);
  button("interrupt").disabled = state !== "live";
  button("record").disabled = state !== "live" || !Recorder.supported;
  stage.setState(state);
  if (state === "live") {
    stage.clearNotice();
    liveSince = performance.now();
  } else {
    recorder.stop();
    latencyPanel.clear();
    settings.settle();
    view.metrics = view.latency = view.statistics = null;
    element("connection-clock").textContent = element("connection-delay").textContent = "";
  }
  if (idle) {
    meter.stop();
    microphone.close();
  }
});

onDetail(session, "stream", ({ stream }) => {
  statistics?.stop();
  statistics = session.peer && new CallStatistics(session.peer, stage.video);
  stage.play(stream);
});

onDetail(session, "problem", ({ problem, retryIn }) => stage.showNotice(problem.message, retryIn));

/** @type {Record<string, (message: any) => void>} */
const onMessage = {
  metrics: (message) => (view.metrics = message),
  "style.applied": ({ style }) => settings.applied(style),
  "speech.started": () => stage.setSpeaking(true),
  "speech.stopped": () => stage.setSpeaking(false),
  "avatar.interrupted": () => stage.setSpeaking(false),
  "transcript.partial": ({ text }) => stage.setCaption(text, false),
  "transcript.final": ({ text }) => stage.setCaption(text, true),
  "conversation.heard": ({ text }) => stage.setCaption(`You: ${text}`, true),
  error: ({ code, message }) => {
    if (code === "no_captions") toggleCaptions();
    if (code === "no_conversation") conversation.show(false);
    stage.showNotice(message);
  },
};

onDetail(session, "message", (/** @type {import("./control_channel.js").Message} */ message) => {
  onMessage[message.type]?.(message);
  if (message.type === "metrics" || message.type === "pong") return;
  view.events = [...view.events, { ...message, at: performance.now() }].slice(-EVENTS_KEPT);
});

setInterval(async () => {
  if (session.state !== "live" || !statistics) return;
  const seconds = Math.floor((performance.now() - liveSince) / 1000);
  element("connection-clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const figures = await statistics.sample();
  if (session.state !== "live") return;
  view.statistics = figures;
  view.latency = latencyPanel.show(view.metrics, figures, captureMs());
  element("connection-delay").textContent = view.latency ? `${Math.round(view.latency.totalMs)} ms` : "";
}, STATISTICS_INTERVAL);

/** Latency reported by the microphone track; not every browser supports it. @returns {number} ms */
function captureMs() {
  const settings = /** @type {(MediaTrackSettings & {latency?: number}) | undefined} */ (microphone.track?.getSettings());
  return (settings?.latency ?? 0) * 1000;
}

onDetail(microphone, "track", ({ track }) => {
  if (session.state === "idle") return;
  meter.listen(track);
  session.replaceMicrophone(track);
});

microphone.addEventListener("ended", () => {
  stop();
  stage.showNotice("The microphone was unplugged: choose another one, then press Start again.");
});

// ---- controls

/** @param {HTMLElement} control @param {(pressed: boolean) => void} apply */
function toggle(control, apply) {
  return () => {
    const pressed = control.getAttribute("aria-pressed") !== "true";
    control.setAttribute("aria-pressed", String(pressed));
    apply(pressed);
  };
}

const toggleMute = toggle(element("mute"), (muted) => microphone.setMuted(muted));
const toggleSilence = toggle(element("silence"), (silenced) => {
  stage.setSilenced(silenced);
  savePreferences({ silenced });
});
const toggleCaptions = toggle(element("captions"), (wanted) => {
  if (!wanted) stage.setCaption("", true);
  session.setCaptions(wanted);
  savePreferences({ captions: wanted });
});
const interrupt = () => session.interrupt();
const toggleRecording = () => (recorder.recording ? recorder.stop() : recorder.start(/** @type {MediaStream} */ (stage.video.srcObject)));

conversation.addEventListener("change", () => {
  session.setConversation(conversation.wanted);
  if (conversation.wanted && session.state === "idle") start();
});
onDetail(conversation, "unavailable", ({ explanation }) => stage.showNotice(explanation));

element("start").addEventListener("click", toggleSession);
element("mute").addEventListener("click", toggleMute);
element("silence").addEventListener("click", toggleSilence);
element("interrupt").addEventListener("click", interrupt);
element("captions").addEventListener("click", toggleCaptions);
element("record").addEventListener("click", toggleRecording);
connectMicrophone(
  microphone,
  pagePart(document, "microphone", HTMLSelectElement),
  pagePart(document, "voice-processing", HTMLInputElement),
  (problem) => stage.showNotice(problem.message),
);
element("shortcuts-open").addEventListener("click", () => dialog("shortcuts").showModal());

installNetworkTest(dialog("network-test"), element("network-checks"), button("network-test-open"), () => session.peer);

onDetail(recorder, "state", ({ recording }) => {
  element("record").setAttribute("aria-pressed", String(recording));
  stage.setRecording(recording);
});

onDetail(settings, "style", (detail) => {
  session.setStyle(detail);
  if (session.state !== "live") settings.settle();
});

onDetail(settings, "avatar", (avatar) => {
  stage.setPoster(avatar);
  session.setAvatar(avatar.name);
});

onDetail(settings, "background", ({ name }) => session.setBackground(name));
onDetail(settings, "presence", (presence) => session.setPresence(presence));

installShortcuts({
  s: () => element("start").click(),
  m: toggleMute,
  v: toggleSilence,
  c: toggleCaptions,
  i: interrupt,
  t: () => conversation.press(),
  r: () => element("record").click(),
  "[": () => settings.stepIntensity(-1),
  "]": () => settings.stepIntensity(1),
  ...Object.fromEntries(Array.from({ length: 9 }, (_, index) => [String(index + 1), () => settings.chooseStyle(index)])),
}, dialog("shortcuts"));

window.addEventListener("pagehide", () => session.stop());

// ---- first look

/** Shows which weights the server uses, and for what they may be used. */
async function showWeights() {
  const { title, explanation } = await (await fetch("api/weights")).json();
  element("weights").textContent = `${title}: ${explanation}.`;
  element("weights").hidden = false;
}

async function loadLists() {
  try {
    await Promise.all([settings.load(preferences), showWeights()]);
    if (settings.avatar) stage.setPoster(settings.avatar);
    button("start").disabled = false;
    stage.clearNotice();
  } catch {
    stage.showNotice("The server does not answer.", LIST_RETRY / 1000);
    setTimeout(loadLists, LIST_RETRY);
  }
}

const styletalk = Object.freeze({
  get state() { return session.state; },
  get session() { return session.id; },
  get peer() { return session.peer; },
  get microphone() { return microphone.track; },
  get metrics() { return view.metrics; },
  get statistics() { return view.statistics; },
  get latency() { return view.latency; },
  get events() { return view.events; },
});
Object.assign(window, { styletalk });

if (preferences.silenced) toggleSilence();
if (preferences.captions) toggleCaptions();
button("start").disabled = true;
const unsupported = unsupportedReason();
if (unsupported) stage.showNotice(unsupported.message);
else loadLists();
