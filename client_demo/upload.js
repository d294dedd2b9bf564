/**
 * Uploads files to the server, which converts them: a photo to an avatar or to the teeth of one, a video to a style.
 *
 * Several may be pending: the server enrolls them one at a time, and each has a line with its progress, position or
 * result. Out: event "added" {name} when an upload is available.
 */

const MAX_NAME_CHARACTERS = 40;
const PROGRESS_INTERVAL = 500; // ms

/** @typedef {ReturnType<import("./status_lines.js").StatusLines["open"]>} Line */

export class Upload extends EventTarget {
  #kind;
  #lines;
  #working;
  #done;
  #address;
  #target;
  #names = new Set();

  /**
   * @param {{kind: string, button: HTMLButtonElement, input: HTMLInputElement, lines: import("./status_lines.js").StatusLines, working: string,
   *   done: (answer: any) => string, address?: (name: string) => string, target?: () => string | null}} parts `kind` is
   *   "style", "avatar", "smile" or "background"; `working` is said while the server looks at a file, `done` says what
   *   came of it; `target` names the entry that a file changes, otherwise the file names a new one
   */
  constructor({ kind, button, input, lines, working, done, address = (name) => `api/${kind}s/${name}`, target = () => null }) {
    super();
    this.#kind = kind;
    this.#lines = lines;
    this.#working = working;
    this.#done = done;
    this.#address = address;
    this.#target = target;
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files?.length) this.send(input.files[0]);
      input.value = "";
    });
  }

  /** @param {File} file */
  send(file) {
    const name = this.#target() ?? nameOf(file.name, this.#names);
    const line = this.#lines.open(file.name);
    this.#names.add(name);
    const request = new XMLHttpRequest(); // fetch does not report the progress of an upload
    let asking = 0;
    request.open("PUT", this.#address(encodeURIComponent(name)));
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => line.say(`Sending ${Math.round((100 * loaded) / total)} %`));
    request.upload.addEventListener("load", () => {
      line.say(this.#working);
      asking = setInterval(async () => {
        const sentence = await this.#progress(name);
        if (asking && sentence) line.say(sentence);
      }, PROGRESS_INTERVAL);
    });
    request.addEventListener("loadend", () => {
      clearInterval(asking);
      asking = 0;
      this.#names.delete(name);
      this.#finish(request, line);
    });
    line.say("Sending");
    request.send(file);
  }

  /** @param {string} name @returns {Promise<string | null>} the server's progress with a received file */
  async #progress(name) {
    /** @type {{uploads?: {kind: string, name: string, position: number | null, done: number}[]}} */
    const { uploads } = await fetch("api/uploads").then((response) => response.json()).catch(() => ({}));
    const upload = uploads?.find((candidate) => candidate.kind === this.#kind && candidate.name === name);
    if (!upload) return null;
    if (upload.position) return `Waiting for ${upload.position === 1 ? "1 file" : `${upload.position} files`}.`;
    return upload.done ? `${this.#working} ${Math.round(100 * upload.done)} %` : null;
  }

  /** @param {XMLHttpRequest} request @param {Line} line */
  #finish({ status, response }, line) {
    if (status === 201) {
      line.close(this.#done(response));
      this.dispatchEvent(new CustomEvent("added", { detail: { name: response.name } }));
    } else {
      line.close(response?.message ?? "The file could not be sent: the server does not answer.", true);
    }
  }
}

/** @param {string} file @param {Set<string>} taken @returns {string} a valid name that is not in use */
function nameOf(file, taken) {
  const plain = file.replace(/\.[^.]*$/, "").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "") || "mine";
  for (let number = 1; ; number++) {
    const ending = number === 1 ? "" : `_${number}`;
    const name = plain.slice(0, MAX_NAME_CHARACTERS - ending.length) + ending;
    if (!taken.has(name)) return name;
  }
}
