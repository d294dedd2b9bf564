/**
 * A group of radio buttons drawn as chips or thumbnails; arrow keys and screen readers work as for any radio group.
 */

/**
 * @typedef {{name: string, title: string, kind: string, thumbnail: string}} Entry an avatar or a style as the server lists it
 * @typedef {{name: string, title: string, kind: string}} Background as the server lists it
 */

/**
 * @param {{group: string, value: string, title: string, className: string, thumbnail?: string}} choice
 * @returns {HTMLLabelElement} holding the hidden input
 */
export function choiceElement({ group, value, title, className, thumbnail }) {
  const label = document.createElement("label");
  label.className = className;
  const input = document.createElement("input");
  input.type = "radio";
  input.name = group;
  input.value = value;
  const caption = document.createElement("span");
  caption.textContent = label.title = title;
  label.append(input);
  if (thumbnail) {
    const image = document.createElement("img");
    image.src = thumbnail;
    image.alt = "";
    image.width = image.height = 96;
    image.decoding = "async";
    label.append(image);
  }
  label.append(caption);
  return label;
}

/** @param {HTMLElement} list of choices @returns {string | null} the value of the chosen one */
export function chosenValue(list) {
  return /** @type {HTMLInputElement | null} */ (list.querySelector("input:checked"))?.value ?? null;
}

/**
 * @template T
 * @param {string} path relative address of a JSON list
 * @param {string} key
 * @returns {Promise<T[]>}
 * @throws {Error} when the server does not answer with that list
 */
export async function fetchList(path, key) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return (await response.json())[key];
}
