/**
 * Parts of the page by id. One that is missing, or is another kind of element, is an error that names it.
 */

/**
 * @template {Element} T
 * @param {Document} page
 * @param {string} id
 * @param {{new (): T, readonly name: string}} kind such as HTMLVideoElement
 * @returns {T}
 */
export function pagePart(page, id, kind) {
  const part = page.getElementById(id);
  if (!(part instanceof kind)) throw new Error(`The page has no ${kind.name} with the id ${id}.`);
  return part;
}
