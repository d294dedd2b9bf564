/**
 * Upload and removal of the user's files: a photo becomes an avatar, a video a style, dropped on the page or chosen; a
 * chosen image becomes a background. The chosen avatar of the user takes its teeth from a smiling photo.
 *
 * Out: events "style", "avatar" and "background" {name} when one was added; name is null when one was removed.
 */

import { installDropTarget } from "./drop_target.js";
import { onDetail } from "./event_detail.js";
import { pagePart } from "./page_part.js";
import { StatusLines } from "./status_lines.js";
import { Upload } from "./upload.js";

/** @typedef {"style" | "avatar" | "background"} Kind */

export class UserUploads extends EventTarget {
  #page;
  #lines;
  /** @type {string | null} */
  #smiling = null;

  /** @param {Document} page */
  constructor(page) {
    super();
    this.#page = page;
    this.#lines = { style: this.#said("style"), avatar: this.#said("avatar"), background: this.#said("background") };
    const clip = this.#upload("style", {
      working: "Tracking the face…",
      done: ({ frames_used: frames, notes }) => [`Added from ${frames} frames`, ...notes].join("; ") + ".",
    });
    const photo = this.#upload("avatar", {
      working: "Finding the face…",
      done: ({ faces, notes }) => {
        const added = faces > 1 ? `Added the largest of ${faces} faces; crop the photo to take another` : "Added";
        return [added, ...notes].join("; ") + ".";
      },
    });
    const smile = new Upload({
      kind: "smile",
      button: pagePart(page, "upload-smile", HTMLButtonElement),
      input: pagePart(page, "upload-smile-file", HTMLInputElement),
      lines: this.#lines.avatar,
      working: "Looking for teeth…",
      done: () => "The avatar has the teeth of the photo.",
      address: (name) => `api/avatars/${name}/smile`,
      target: () => this.#smiling,
    });
    onDetail(smile, "added", ({ name }) => this.#tell("avatar", name));
    this.#upload("background", { working: "Processing the image…", done: () => "Added." });
    installDropTarget(page.body, pagePart(page, "drop-hint", HTMLElement), { image: (file) => photo.send(file), other: (file) => clip.send(file) });
  }

  /**
   * Shows the remove button, and that for a smiling photo, when the chosen entry is the user's own.
   * @param {Kind} kind @param {{name: string, kind: string} | null} chosen
   */
  offerRemoval(kind, chosen) {
    const button = pagePart(this.#page, `remove-${kind}`, HTMLButtonElement);
    button.hidden = chosen?.kind !== "user";
    if (kind === "avatar") {
      this.#smiling = button.hidden ? null : chosen?.name ?? null;
      pagePart(this.#page, "upload-smile", HTMLButtonElement).hidden = button.hidden;
    }
    button.onclick = () => chosen && this.#remove(kind, chosen.name);
  }

  /** @param {Kind} kind */
  #said(kind) {
    return new StatusLines(pagePart(this.#page, `upload-${kind}-said`, HTMLElement));
  }

  /** @param {Kind} kind @param {{working: string, done: (answer: any) => string}} words */
  #upload(kind, words) {
    const button = pagePart(this.#page, `upload-${kind}`, HTMLButtonElement);
    const input = pagePart(this.#page, `upload-${kind}-file`, HTMLInputElement);
    const upload = new Upload({ kind, button, input, lines: this.#lines[kind], ...words });
    onDetail(upload, "added", ({ name }) => this.#tell(kind, name));
    return upload;
  }

  /** @param {Kind} kind @param {string} name */
  async #remove(kind, name) {
    const response = await fetch(`api/${kind}s/${encodeURIComponent(name)}`, { method: "DELETE" }).catch(() => null);
    const sentence = response?.ok ? "Removed." : "It could not be removed: the server does not answer.";
    this.#lines[kind].open(name).close(sentence, !response?.ok);
    if (response?.ok) this.#tell(kind, null);
  }

  /** @param {Kind} kind @param {string | null} name */
  #tell(kind, name) {
    this.dispatchEvent(new CustomEvent(kind, { detail: { name } }));
  }
}
