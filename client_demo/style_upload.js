/**
 * Brings a manner of speaking: a video dropped anywhere on the page, or chosen with the button, becomes a style.
 *
 * Out: event "added" {name} when the server has it. What happens, and what went wrong, is said under the button.
 */

const LONGEST_NAME = 40;

export class StyleUpload extends EventTarget {
  #button;
  #said;

  /** @param {{button: HTMLButtonElement, input: HTMLInputElement, said: HTMLElement, target: HTMLElement}} parts */
  constructor({ button, input, said, target }) {
    super();
    this.#button = button;
    this.#said = said;
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files.length) this.#send(input.files[0]);
      input.value = "";
    });
    target.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      target.classList.add("dropping");
    });
    target.addEventListener("dragleave", (event) => {
      if (!target.contains(event.relatedTarget)) target.classList.remove("dropping");
    });
    target.addEventListener("drop", (event) => {
      event.preventDefault();
      target.classList.remove("dropping");
      if (event.dataTransfer.files.length) this.#send(event.dataTransfer.files[0]);
    });
  }

  /** @param {File} file */
  #send(file) {
    if (this.#button.disabled) return;
    const name = styleName(file.name);
    const request = new XMLHttpRequest(); // fetch cannot tell how much of a body has been sent
    request.open("PUT", `api/styles/${encodeURIComponent(name)}`);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => this.#say(`Sending ${Math.round((100 * loaded) / total)} %`));
    request.upload.addEventListener("load", () => this.#say("Watching the face…"));
    request.addEventListener("loadend", () => this.#finish(request));
    this.#button.disabled = true;
    this.#say("Sending");
    request.send(file);
  }

  /** @param {XMLHttpRequest} request */
  #finish({ status, response }) {
    this.#button.disabled = false;
    if (status === 201) {
      this.#say([`Added from ${response.frames_used} frames`, ...response.notes].join("; ") + ".");
      this.dispatchEvent(new CustomEvent("added", { detail: { name: response.name } }));
    } else {
      this.#say(response?.message ?? "The clip could not be sent: the server does not answer.", true);
    }
  }

  #say(sentence, failed = false) {
    this.#said.textContent = sentence;
    this.#said.classList.toggle("failed", failed);
  }
}

/** @param {string} file @returns {string} a name that the server accepts */
function styleName(file) {
  const plain = file.replace(/\.[^.]*$/, "").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "");
  return plain.slice(0, LONGEST_NAME) || "my_style";
}
