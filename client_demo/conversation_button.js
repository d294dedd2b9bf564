/**
 * The button that lets the avatar answer instead of repeating. Out: event "change" when `wanted` has changed, and
 * "unavailable" {explanation} when this server cannot converse.
 */

export class ConversationButton extends EventTarget {
  #button;

  /** @param {HTMLButtonElement} button */
  constructor(button) {
    super();
    this.#button = button;
    button.addEventListener("click", () => this.press());
  }

  get wanted() {
    return this.#button.getAttribute("aria-pressed") === "true";
  }

  async press() {
    const explanation = this.wanted ? "" : await whyNot();
    if (explanation) {
      this.dispatchEvent(new CustomEvent("unavailable", { detail: { explanation } }));
      return;
    }
    this.show(!this.wanted);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {boolean} wanted */
  show(wanted) {
    this.#button.setAttribute("aria-pressed", String(wanted));
  }
}

/** @returns {Promise<string>} a sentence that says what the server lacks, "" when it can converse */
async function whyNot() {
  try {
    const { explanation } = await (await fetch("api/conversation")).json();
    return explanation;
  } catch {
    return "The server does not answer.";
  }
}
