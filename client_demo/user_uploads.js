/**
 * Upload and removal of the user's files: a photo becomes an avatar, a video a style, dropped on the page or chosen; a
 * chosen image becomes a background.
 *
 * Out: events "style", "avatar" and "background" {name} when one was added; name is null when one was removed.
 */

import { installDropTarget } from "./drop_target.js";
import { StatusLines } from "./status_lines.js";
import { Upload } from "./upload.js";

export class UserUploads extends EventTarget {
  #page;
  #lines;

  /** @param {Document} page */
  constructor(page) {
    super();
    this.#page = page;
    this.#lines = Object.fromEntries(["style", "avatar", "background"].map((kind) => [kind, new StatusLines(page.getElementById(`upload-${kind}-said`))]));
    const clip = this.#upload("style", {
      working: "Tracking the face…",
      done: ({ frames_used: frames, notes }) => [`Added from ${frames} frames`, ...notes].join("; ") + ".",
    });
    const photo = this.#upload("avatar", { working: "Finding the face…", done: () => "Added." });
    this.#upload("background", { working: "Processing the image…", done: () => "Added." });
    installDropTarget(page.body, page.getElementById("drop-hint"), { image: (file) => photo.send(file), other: (file) => clip.send(file) });
  }

  /**
   * Shows the remove button when the chosen entry is the user's own.
   * @param {"style" | "avatar" | "background"} kind @param {{name: string, kind: string} | null} chosen
   */
  offerRemoval(kind, chosen) {
    const button = this.#page.getElementById(`remove-${kind}`);
    button.hidden = chosen?.kind !== "user";
    button.onclick = () => this.#remove(kind, chosen.name);
  }

  #upload(kind, words) {
    const part = (id) => this.#page.getElementById(id);
    const upload = new Upload({ kind, button: part(`upload-${kind}`), input: part(`upload-${kind}-file`), lines: this.#lines[kind], ...words });
    upload.addEventListener("added", (/** @type {CustomEvent} */ { detail: { name } }) => this.#tell(kind, name));
    return upload;
  }

  async #remove(kind, name) {
    const response = await fetch(`api/${kind}s/${encodeURIComponent(name)}`, { method: "DELETE" }).catch(() => null);
    const sentence = response?.ok ? "Removed." : "It could not be removed: the server does not answer.";
    this.#lines[kind].open(name).close(sentence, !response?.ok);
    if (response?.ok) this.#tell(kind, null);
  }

  #tell(kind, name) {
    this.dispatchEvent(new CustomEvent(kind, { detail: { name } }));
  }
}
