/**
 * Status lines, one for each running task. A single line has no title; lines of finished tasks are removed when a new
 * task begins.
 */

export class StatusLines {
  #element;
  /** @type {Set<{title: string, part: HTMLElement, sentence: string, ended: boolean}>} */
  #lines = new Set();

  /** @param {HTMLElement} element role=status; its initial text stays until the first line */
  constructor(element) {
    this.#element = element;
  }

  /** @param {string} title title of the line */
  open(title) {
    for (const line of this.#lines) if (line.ended) this.#lines.delete(line);
    const part = document.createElement("span");
    part.className = "status-line";
    part.title = title;
    const line = { title, part, sentence: "", ended: false };
    this.#lines.add(line);
    const say = (/** @type {string} */ sentence, /** @type {boolean} */ failed) => {
      line.sentence = sentence;
      part.classList.toggle("failed", failed);
      this.#draw();
    };
    return {
      /** @param {string} sentence */
      say: (sentence) => say(sentence, false),
      /** Shows the final sentence. @param {string} sentence */
      close: (sentence, failed = false) => {
        line.ended = true;
        say(sentence, failed);
      },
    };
  }

  #draw() {
    for (const { title, part, sentence } of this.#lines) part.textContent = this.#lines.size > 1 ? `${title}: ${sentence}` : sentence;
    this.#element.replaceChildren(...[...this.#lines].map(({ part }) => part));
  }
}
