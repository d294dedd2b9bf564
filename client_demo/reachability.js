/**
 * Reachability of the server, tested with small requests on new connections.
 *
 * A connection that hangs on a dead path stays dead long after the path has recovered, so new requests are sent while
 * old ones are still pending.
 */

const QUICK = { wait: 250, times: 40 }; // ms between requests, and their number: the first ten seconds
const SLOW = { wait: 1000, times: 50 };
const HANGING = 5; // maximum number of pending requests

/** @param {number} patience ms @returns {Promise<boolean>} whether anything responds */
export async function serverAnswers(patience) {
  try {
    await fetch("healthz", { cache: "no-store", signal: AbortSignal.timeout(patience) });
    return true;
  } catch {
    return false;
  }
}

/**
 * Retries until the server responds; at once when the browser is online again or the page becomes visible.
 * @param {AbortSignal} stopped
 * @returns {Promise<boolean>} false when a minute has passed without a response
 */
export async function untilServerAnswers(stopped) {
  /** @type {(found: boolean) => void} */
  let found = () => {};
  /** @type {Promise<boolean>} */
  const answered = new Promise((resolve) => (found = resolve));
  for (const { wait, times } of [QUICK, SLOW]) {
    for (let time = 0; time < times && !stopped.aborted; time++) {
      serverAnswers(HANGING * wait).then((answers) => answers && found(true));
      if (await Promise.race([answered, pause(spread(wait), stopped)])) return true;
    }
  }
  return false;
}

/** Adds up to 20 % jitter, so that many pages do not reconnect at the same moment. @param {number} wait ms */
export function spread(wait) {
  return wait * (1 + 0.2 * Math.random());
}

/**
 * Ends early when the caller stops, and when it is likely that the network is back.
 * @param {number} milliseconds @param {AbortSignal} stopped @returns {Promise<void>}
 */
export function pause(milliseconds, stopped) {
  return new Promise((resolve) => {
    const ended = new AbortController();
    const once = { once: true, signal: ended.signal };
    const end = () => {
      clearTimeout(timeout);
      ended.abort();
      resolve();
    };
    const timeout = setTimeout(end, milliseconds);
    stopped.addEventListener("abort", end, once);
    window.addEventListener("online", end, once);
    document.addEventListener("visibilitychange", end, once);
  });
}
