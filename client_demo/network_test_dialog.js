/**
 * Dialog of the connection test: one line per check, announced to screen readers.
 */

import { testNetwork } from "./network_test.js";

const MARKS = { running: "…", good: "✓", poor: "!", failed: "✕" };
const WORDS = { running: "running", good: "good", poor: "poor", failed: "failed" };

/** @param {HTMLDialogElement} dialog @param {HTMLElement} list @param {HTMLButtonElement} button @param {() => RTCPeerConnection | null} runningPeer */
export function installNetworkTest(dialog, list, button, runningPeer) {
  /** @type {AbortController | null} */
  let cancel = null;
  button.addEventListener("click", () => {
    list.replaceChildren();
    dialog.showModal();
    cancel = new AbortController();
    testNetwork(runningPeer(), (check) => showCheck(list, check), cancel.signal);
  });
  dialog.addEventListener("close", () => cancel?.abort());
}

/** @param {HTMLElement} list @param {{name: string, state: "running" | "good" | "poor" | "failed", said: string}} check */
function showCheck(list, { name, state, said }) {
  let line = [...list.querySelectorAll("li")].find((child) => child.dataset.name === name);
  if (!line) {
    line = document.createElement("li");
    line.dataset.name = name;
    list.append(line);
  }
  line.dataset.state = state;
  const [mark, title, text] = ["i", "b", "span"].map((tag) => document.createElement(tag));
  mark.textContent = MARKS[state];
  mark.setAttribute("aria-label", WORDS[state]);
  mark.setAttribute("role", "img");
  title.textContent = name;
  text.textContent = said;
  line.replaceChildren(mark, title, text);
}
