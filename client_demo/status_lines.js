/**
 * Lines that say how things are going, one for each that is under way. Alone, a line needs no title; the lines of what
 * has ended go when something new begins.
 */

export class StatusLines {
  #element;
  #lines = new Set();

  /** @param {HTMLElement} element role=status; what it says at first stays until the first line */
  constructor(element) {
    this.#element = element;
  }

  /** @param {string} title what the line is about */
  open(title) {
    for (const line of this.#lines) if (line.ended) this.#lines.delete(line);
    const part = document.createElement("span");
    part.className = "status-line";
    part.title = title;
    const line = { title, part, sentence: "", ended: false };
    this.#lines.add(line);
    const say = (sentence, failed) => {
      line.sentence = sentence;
      part.classList.toggle("failed", failed);
      this.#draw();
    };
    return {
      /** @param {string} sentence */
      say: (sentence) => say(sentence, false),
      /** The last sentence. @param {string} sentence */
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
