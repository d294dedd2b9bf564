/**
 * Single-key shortcuts. They are inactive while a text field or a list has the focus and while a dialog is open.
 */

const TYPING = "select, textarea, input:not([type=range], [type=radio], [type=checkbox])";

/** @param {Record<string, () => void>} actions by KeyboardEvent.key in lower case @param {HTMLDialogElement} dialog shown by "?" */
export function installShortcuts(actions, dialog) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
    if (event.target instanceof Element && event.target.closest(TYPING)) return;
    const action = event.key === "?" ? () => dialog.showModal() : actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
