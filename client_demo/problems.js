/**
 * Errors for the user: one sentence each, with the way to fix it.
 *
 * A Problem is the only kind of error that reaches the user. `lasting` means that an automatic retry cannot help;
 * `retryAfter` is the server's Retry-After in seconds.
 */

export class Problem extends Error {
  /** @param {string} code @param {string} sentence @param {{lasting?: boolean, retryAfter?: number | null}} [how] */
  constructor(code, sentence, { lasting = false, retryAfter = null } = {}) {
    super(sentence);
    this.name = "Problem";
    this.code = code;
    this.lasting = lasting;
    this.retryAfter = retryAfter;
  }
}

/** Returns the reason why this browser cannot run the page, or null. */
export function unsupportedReason() {
  if (!window.isSecureContext) {
    return new Problem("insecure", "Browsers allow the microphone only on secure pages: open this one over https or from localhost.", { lasting: true });
  }
  const needed = ["RTCPeerConnection", "WebSocket", "AudioContext"].every((name) => name in window);
  if (!needed || !navigator.mediaDevices?.getUserMedia) {
    return new Problem("unsupported_browser", "This browser cannot make live calls: use a current Chrome, Edge, Firefox or Safari.", { lasting: true });
  }
  return null;
}

/** @type {Record<string, [string, string]>} */
const MICROPHONE_SENTENCES = {
  NotAllowedError: ["microphone_denied", "The microphone is blocked: allow it for this page in the address bar, then press Start again."],
  SecurityError: ["microphone_denied", "The microphone is blocked: allow it for this page in the address bar, then press Start again."],
  NotFoundError: ["microphone_missing", "No microphone was found: plug one in, then press Start again."],
  OverconstrainedError: ["microphone_missing", "The chosen microphone is not available: choose another one, then press Start again."],
  NotReadableError: ["microphone_busy", "The microphone is in use: close other programs that use it, then press Start again."],
  AbortError: ["microphone_busy", "The microphone is in use: close other programs that use it, then press Start again."],
};

/** @param {{name?: string} | null | undefined} error what getUserMedia threw */
export function microphoneProblem(error) {
  const [code, sentence] = MICROPHONE_SENTENCES[error?.name ?? ""] ?? ["microphone_failed", "The microphone did not start: reload the page and try again."];
  return new Problem(code, sentence, { lasting: true });
}

/** @param {unknown} error of the page itself */
export function pageFailed(error) {
  return new Problem("internal", `The page failed: ${error instanceof Error ? error.message : error}.`, { lasting: true });
}

/** @param {number | null} retryAfter seconds */
export function serverFull(retryAfter) {
  return new Problem("server_full", "The server is full.", { retryAfter: retryAfter ?? 5 });
}

export function serverGone() {
  return new Problem("server_gone", "The server does not answer: check that it is running, then press Start again.");
}

export function connectionLost() {
  return new Problem("connection_lost", "The connection was lost.");
}

/** @param {string} code @param {string} message the server's own message */
export function refused(code, message) {
  return new Problem(code, message, { lasting: true });
}

/**
 * Returns the Problem of an HTTP error response.
 * @param {Response} response with a JSON body {code, message}
 */
export async function responseProblem(response) {
  const { code, message } = await response.json().catch(() => ({}));
  if (response.status === 503) {
    const retryAfter = retryAfterSeconds(response);
    if (code === "machine_too_slow") return refused(code, message);
    return code === "warming_up" ? new Problem(code, "The server is warming up.", { retryAfter: retryAfter ?? 2 }) : serverFull(retryAfter);
  }
  const sentence = message ?? `The server refused the call (status ${response.status}): reload the page and try again.`;
  return new Problem(code ?? `http_${response.status}`, sentence, { lasting: response.status < 500 });
}

/** @param {Response} response */
export function retryAfterSeconds(response) {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? seconds : null;
}
