/**
 * Whether the server can be reached at all, asked with one small request on a connection of its own.
 *
 * A connection that hangs on a dead path stays dead long after the path is back, so that new questions are asked while
 * old ones still wait.
 */

const QUICK = { wait: 250, times: 40 }; // ms between questions, and how many of them: the first ten seconds
const SLOW = { wait: 1000, times: 50 };
const HANGING = 5; // questions that wait for an answer at the same time, at most

/** @param {number} patience ms @returns {Promise<boolean>} whether anything answers */
export async function serverAnswers(patience) {
  try {
    await fetch("healthz", { cache: "no-store", signal: AbortSignal.timeout(patience) });
    return true;
  } catch {
    return false;
  }
}

/**
 * Asks until the server answers, at once when the browser says that its network is back or the page is looked at again.
 * @param {AbortSignal} stopped
 * @returns {Promise<boolean>} false when a minute has passed without an answer
 */
export async function untilServerAnswers(stopped) {
  let found;
  const answered = new Promise((resolve) => (found = resolve));
  for (const { wait, times } of [QUICK, SLOW]) {
    for (let time = 0; time < times && !stopped.aborted; time++) {
      serverAnswers(HANGING * wait).then((answers) => answers && found(true));
      if (await Promise.race([answered, pause(spread(wait), stopped)])) return true;
    }
  }
  return false;
}

/** Up to a fifth longer, so that many pages do not return at the same moment. @param {number} wait ms */
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
