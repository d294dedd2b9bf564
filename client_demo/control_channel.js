/**
 * The control WebSocket: session id, settings, events and liveness.
 *
 * In: maps to send. Out: every map from the server to `onMessage`, and one call of `onClose` when an opened channel
 * closes by itself. The server ends a session after 4 s without messages. In a cluster, the gateway that served the page
 * only redirects the session to one of its servers.
 */

import { decode, encode } from "./msgpack.js";
import { connectionLost, refused, retryAfterSeconds, serverFull, serverGone } from "./problems.js";

/** @typedef {{type: string, [field: string]: any}} Message as docs/protocol.md lists them */

const PING_INTERVAL = 1000; // ms
const OPEN_TIMEOUT = 5000; // ms in which session.created must arrive

export class ControlChannel {
  /** Number of received messages. */
  heard = 0;
  #socket;
  #place;
  #pings = 0;

  /** @param {WebSocket} socket @param {{url: string, token: string | null}} place the session's server */
  constructor(socket, place) {
    this.#socket = socket;
    this.#place = place;
  }

  /**
   * Opens the channel and waits for `session.created`.
   * @param {string | null} session id to resume, null for a new one
   * @param {{onMessage: (message: Message) => void, onClose: () => void}} listener
   * @param {{url: string, token: string | null}} place the server to ask
   * @returns {Promise<{channel: ControlChannel, created: Message}>}
   * @throws {Problem} server_full, server_gone, connection_lost or the server's own code
   */
  static open(session, listener, place = { url: document.baseURI, token: null }) {
    const { onMessage, onClose } = listener;
    const address = addressAt(place, "ws", session);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    const channel = new ControlChannel(socket, place);

    return new Promise((resolve, reject) => {
      let opened = false;
      const timeout = setTimeout(() => socket.close(), OPEN_TIMEOUT);
      socket.onmessage = (event) => {
        channel.heard += 1;
        const message = decode(event.data);
        if (message.type === "session.created") {
          opened = true;
          clearTimeout(timeout);
          channel.#pings = setInterval(() => channel.send({ type: "ping", t: performance.now() }), PING_INTERVAL);
          resolve({ channel, created: message });
        } else if (message.type === "session.placed") {
          clearTimeout(timeout);
          socket.onclose = null;
          resolve(ControlChannel.open(message.session, listener, { url: message.url, token: message.token }));
          return;
        } else if (!opened && message.type === "error") {
          reject(message.code === "server_full" ? serverFull(message.retry_after) : refused(message.code, message.message));
        }
        onMessage(message);
      };
      socket.onclose = () => {
        clearTimeout(timeout);
        clearInterval(channel.#pings);
        if (opened) onClose();
        else whyRefused().then(reject);
      };
    });
  }

  /** @param {string} path @param {string | null} session @returns {URL} of the session's server */
  address(path, session) {
    return addressAt(this.#place, path, session);
  }

  /** Sends one message; a closing channel drops it, and `onClose` follows. @param {Message} message */
  send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(encode(message));
  }

  /** Closes permanently: the server frees the slot, `onClose` is not called. */
  close() {
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    clearInterval(this.#pings);
    this.#socket.close();
  }
}

/** @param {{url: string, token: string | null}} place @param {string} path @param {string | null} session */
function addressAt({ url, token }, path, session) {
  const address = new URL(path, url);
  if (session) address.searchParams.set("session", session);
  if (token) address.searchParams.set("token", token);
  return address;
}

/** A browser hides why a WebSocket was refused, so the readiness endpoint is asked. */
async function whyRefused() {
  try {
    const response = await fetch("readyz", { cache: "no-store", signal: AbortSignal.timeout(OPEN_TIMEOUT) });
    return response.status === 503 ? serverFull(retryAfterSeconds(response)) : connectionLost();
  } catch {
    return serverGone();
  }
}
