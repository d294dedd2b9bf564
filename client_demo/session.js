/**
 * A live session: control channel and call, kept connected until `stop`.
 *
 * States: idle -> connecting -> live -> (reconnecting -> live)* -> idle. A lost connection is reopened as soon as
 * the server can be reached, with the same session id, so that the server resumes avatar and style; a server that
 * responds with an error is retried with exponential back-off. A permanent error ends in idle with a problem.
 *
 * Events (CustomEvent): "state" {state}, "stream" {stream}, "message" {the server's map}, "problem" {problem,
 * retryIn: seconds or null}.
 */

import { Call } from "./call.js";
import { ControlChannel } from "./control_channel.js";
import { Lifeline } from "./lifeline.js";
import { Problem, connectionLost, pageFailed, refused, serverGone } from "./problems.js";
import { pause, spread, untilServerAnswers } from "./reachability.js";

const FIRST_DELAY = 500; // ms
const MAX_DELAY = 8000; // ms
const MAX_ATTEMPTS = 8; // about 40 s; a server that sends Retry-After is retried for as long as the user waits
/**
 * @typedef {"idle" | "connecting" | "live" | "reconnecting"} State
 * @typedef {{avatar: string | null, background: string | null, presence: import("./presence_panel.js").Presence | null,
 *   style: string | null, weights: Record<string, number> | null, intensity: number, fadeMs: number}} SessionSettings a blend has weights and no style
 */

const UNREACHABLE = ["connection_lost", "server_gone"];

const NATURAL = { attention: "speaking", stillness: 0 }; // of a new session

export class Session extends EventTarget {
  /** @type {State} */
  state = "idle";
  /** Server's id of this session, null before the first connection. @type {string | null} */
  id = null;
  /** Current settings; the server confirms them with style.applied and avatar.applied. @type {SessionSettings} */
  #settings = { avatar: null, background: null, presence: null, style: null, weights: null, intensity: 1, fadeMs: 400 };
  #captions = false;
  #conversation = false;
  /** @type {MediaStreamTrack | null} */
  #microphone = null;
  /** @type {ControlChannel | null} */
  #channel = null;
  /** @type {Call | null} */
  #call = null;
  /** @type {Lifeline | null} */
  #lifeline = null;
  /** @type {AbortController | null} */
  #stopping = null;

  get peer() {
    return this.#call?.peer ?? null;
  }

  /** Sets the settings of the next start. @param {SessionSettings} settings */
  configure(settings) {
    this.#settings = { ...settings };
  }

  /** @param {MediaStreamTrack} microphone */
  start(microphone) {
    if (this.state !== "idle") return;
    this.#microphone = microphone;
    this.#stopping = new AbortController();
    this.#keepConnected(this.#stopping.signal);
  }

  stop() {
    this.#stopping?.abort();
    this.#disconnect();
    this.id = null;
    this.#enter("idle");
  }

  /** @param {MediaStreamTrack} track */
  async replaceMicrophone(track) {
    this.#microphone = track;
    await this.#call?.replaceMicrophone(track);
  }

  /** @param {Partial<SessionSettings>} change */
  setStyle(change) {
    Object.assign(this.#settings, change);
    this.#sendStyle();
  }

  /** @param {string} avatar */
  setAvatar(avatar) {
    this.#settings.avatar = avatar;
    this.#channel?.send({ type: "avatar.set", avatar });
  }

  /** @param {string} background */
  setBackground(background) {
    this.#settings.background = background;
    this.#channel?.send({ type: "session.update", background });
  }

  /** @param {import("./presence_panel.js").Presence} presence */
  setPresence(presence) {
    this.#settings.presence = presence;
    this.#channel?.send({ type: "presence.set", ...presence });
  }

  /** Requests captions in sync with the avatar; the server may refuse with the error no_captions. @param {boolean} wanted */
  setCaptions(wanted) {
    this.#captions = wanted;
    this.#channel?.send({ type: "session.update", captions: wanted });
  }

  /** Lets the avatar answer instead of repeating; the server may refuse with the error no_conversation. @param {boolean} wanted */
  setConversation(wanted) {
    this.#conversation = wanted;
    this.#channel?.send({ type: "session.update", conversation: wanted });
  }

  interrupt() {
    this.#channel?.send({ type: "avatar.interrupt" });
  }

  /** @param {AbortSignal} stopped */
  async #keepConnected(stopped) {
    let attempt = 0;
    this.#enter("connecting");
    while (!stopped.aborted) {
      let problem;
      try {
        const { lost } = await this.#connect(stopped);
        attempt = 0;
        this.#enter("live");
        problem = await lost;
      } catch (error) {
        problem = error instanceof Problem ? error : pageFailed(error);
      }
      if (stopped.aborted) return;
      this.#disconnect();
      if (problem.retryAfter === null) attempt += 1;
      if (problem.lasting || attempt > MAX_ATTEMPTS) return this.#giveUp(problem);
      if (this.state === "live") this.#enter("reconnecting");
      const unreachable = UNREACHABLE.includes(problem.code);
      const delay = problem.retryAfter === null ? backOff(unreachable ? attempt - 1 : attempt) : problem.retryAfter * 1000;
      this.#tell("problem", { problem, retryIn: delay / 1000 });
      await pause(delay, stopped);
      if (unreachable && !(await untilServerAnswers(stopped))) {
        if (!stopped.aborted) this.#giveUp(serverGone());
        return;
      }
    }
  }

  /** @param {Problem} problem */
  #giveUp(problem) {
    this.stop();
    this.#tell("problem", { problem, retryIn: null });
  }

  /** Connects once; resolves, when live, to the promise `lost` of the problem that ends the connection. @param {AbortSignal} stopped */
  async #connect(stopped) {
    /** @type {(problem?: Problem) => void} */
    let breakOff = () => {};
    /** @type {Promise<Problem>} */
    const lost = new Promise((resolve) => {
      breakOff = (problem = connectionLost()) => resolve(problem);
    });
    const { channel, created } = await ControlChannel.open(this.id, {
      onMessage: (message) => {
        this.#tell("message", message);
        if (message.code === "session_expired") breakOff(refused(message.code, message.message));
      },
      onClose: () => breakOff(),
    });
    if (stopped.aborted || !this.#microphone) {
      channel.close();
      throw connectionLost();
    }
    this.#channel = channel;
    this.id = created.session;
    this.#applySettings(created);
    const call = (this.#call = new Call(this.#microphone, created.ice_servers, () => breakOff()));
    this.#tell("stream", { stream: call.stream });
    await Promise.race([call.open(channel.address("whip", created.session)), lost.then((problem) => Promise.reject(problem))]);
    this.#lifeline = new Lifeline(() => this.#heard, () => breakOff());
    return { lost };
  }

  /** Changes with every message and audio packet from the server; null until there is audio. */
  get #heard() {
    const sound = this.#call?.heard ?? null;
    return sound && `${this.#channel?.heard} ${sound}`;
  }

  /** Sends the settings chosen before the call that differ from the server's. @param {import("./control_channel.js").Message} created */
  #applySettings(created) {
    const { avatar, background, presence, style, weights, intensity, fadeMs } = this.#settings;
    if (avatar !== null && avatar !== created.avatar) this.setAvatar(avatar);
    if (this.#captions) this.setCaptions(true);
    if (this.#conversation) this.setConversation(true);
    if (background !== null && background !== created.background) this.setBackground(background);
    if (presence !== null && (presence.attention !== NATURAL.attention || presence.stillness !== NATURAL.stillness)) this.setPresence(presence);
    if (weights !== null || style !== created.style || intensity !== created.intensity || fadeMs !== created.fade_ms) this.#sendStyle();
  }

  #sendStyle() {
    const { style, weights, intensity, fadeMs } = this.#settings;
    const choice = weights !== null ? { weights } : { style };
    if (weights ?? style) this.#channel?.send({ type: "style.set", ...choice, intensity, fade_ms: fadeMs });
  }

  #disconnect() {
    this.#lifeline?.stop();
    this.#call?.close();
    this.#channel?.close();
    this.#call = this.#channel = null;
  }

  /** @param {State} state */
  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell("state", { state });
  }

  /** @param {string} type @param {object} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** 0, 0.5, 1, 2, 4, 8, 8 ... s, each but the first up to a fifth longer. @param {number} attempt */
function backOff(attempt) {
  return attempt && spread(Math.min(FIRST_DELAY * 2 ** (attempt - 1), MAX_DELAY));
}
