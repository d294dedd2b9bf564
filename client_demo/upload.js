/**
 * Sends a file of the user's to the server, where it becomes something to choose: a photo an avatar, a clip a style.
 *
 * Out: event "added" {name} when the server has it. How far it is, and what went wrong, is said beside the button.
 */

const LONGEST_NAME = 40;
const PROGRESS_INTERVAL = 500; // ms

export class Upload extends EventTarget {
  #button;
  #said;
  #address;
  #working;
  #done;
  #asking = 0;

  /**
   * @param {{button: HTMLButtonElement, input: HTMLInputElement, said: HTMLElement, address: string, working: string,
   *   done: (answer: object) => string}} parts `address` takes the name; `working` is said while the server looks at
   *   the file, `done` says what came of it
   */
  constructor({ button, input, said, address, working, done }) {
    super();
    this.#button = button;
    this.#said = said;
    this.#address = address;
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
    if (this.#button.disabled) return;
    const request = new XMLHttpRequest(); // fetch cannot tell how much of a body has been sent
    request.open("PUT", this.#address + encodeURIComponent(nameOf(file.name)));
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => this.#say(`Sending ${Math.round((100 * loaded) / total)} %`));
    request.upload.addEventListener("load", () => this.#watch());
    request.addEventListener("loadend", () => this.#finish(request));
    this.#button.disabled = true;
    this.#say("Sending");
    request.send(file);
  }

  /** The server has the file and looks at it. */
  #watch() {
    this.#say(this.#working);
    this.#asking = setInterval(async () => {
      const { done } = await fetch("api/uploads").then((response) => response.json()).catch(() => ({}));
      if (this.#asking && done) this.#say(`${this.#working} ${Math.round(100 * done)} %`);
    }, PROGRESS_INTERVAL);
  }

  /** @param {XMLHttpRequest} request */
  #finish({ status, response }) {
    clearInterval(this.#asking);
    this.#asking = 0;
    this.#button.disabled = false;
    if (status === 201) {
      this.#say(this.#done(response));
      this.dispatchEvent(new CustomEvent("added", { detail: { name: response.name } }));
    } else {
      this.#say(response?.message ?? "The file could not be sent: the server does not answer.", true);
    }
  }

  #say(sentence, failed = false) {
    this.#said.textContent = sentence;
    this.#said.classList.toggle("failed", failed);
  }
}

/** @param {string} file @returns {string} a name that the server accepts */
function nameOf(file) {
  const plain = file.replace(/\.[^.]*$/, "").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "");
  return plain.slice(0, LONGEST_NAME) || "mine";
}
