/**
 * Sends files of the user's to the server, where each becomes something to choose: a photo an avatar, a clip a style.
 *
 * Several may be on their way: the server enrolls them one after the other, and each has a line that says its progress,
 * its position or its result. Out: event "added" {name} when the server has one.
 */

const MAX_NAME_CHARACTERS = 40;
const PROGRESS_INTERVAL = 500; // ms

export class Upload extends EventTarget {
  #kind;
  #lines;
  #working;
  #done;
  #names = new Set();

  /**
   * @param {{kind: string, button: HTMLButtonElement, input: HTMLInputElement, lines: import("./status_lines.js").StatusLines, working: string,
   *   done: (answer: object) => string}} parts `kind` is "style", "avatar" or "background"; `working` is said while the
   *   server looks at a file, `done` says what came of it
   */
  constructor({ kind, button, input, lines, working, done }) {
    super();
    this.#kind = kind;
    this.#lines = lines;
    this.#working = working;
    this.#done = done;
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files.length) this.send(input.files[0]);
      input.value = "";
    });
  }

  /** @param {File} file */
  send(file) {
    const name = nameOf(file.name, this.#names);
    const line = this.#lines.open(file.name);
    this.#names.add(name);
    const request = new XMLHttpRequest(); // fetch cannot tell how much of a body has been sent
    let asking = 0;
    request.open("PUT", `api/${this.#kind}s/${encodeURIComponent(name)}`);
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

  /** @returns {Promise<string | null>} how far the server is with a file that it has */
  async #progress(name) {
    const { uploads } = await fetch("api/uploads").then((response) => response.json()).catch(() => ({}));
    const upload = uploads?.find((candidate) => candidate.kind === this.#kind && candidate.name === name);
    if (!upload) return null;
    if (upload.position) return `Waiting: ${upload.position === 1 ? "1 file comes" : `${upload.position} files come`} first.`;
    return upload.done ? `${this.#working} ${Math.round(100 * upload.done)} %` : null;
  }

  #finish({ status, response }, line) {
    if (status === 201) {
      line.close(this.#done(response));
      this.dispatchEvent(new CustomEvent("added", { detail: { name: response.name } }));
    } else {
      line.close(response?.message ?? "The file could not be sent: the server does not answer.", true);
    }
  }
}

/** @param {string} file @param {Set<string>} taken @returns {string} a name that the server accepts, and not a taken one */
function nameOf(file, taken) {
  const plain = file.replace(/\.[^.]*$/, "").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "") || "mine";
  for (let number = 1; ; number++) {
    const ending = number === 1 ? "" : `_${number}`;
    const name = plain.slice(0, MAX_NAME_CHARACTERS - ending.length) + ending;
    if (!taken.has(name)) return name;
  }
}
