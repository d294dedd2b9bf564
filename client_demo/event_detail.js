/**
 * Listens to the events of the page's modules, which carry what they tell as the detail of a CustomEvent.
 */

/** @param {EventTarget} source @param {string} type @param {(detail: any) => unknown} react gets the detail of each event */
export function onDetail(source, type, react) {
  source.addEventListener(type, (event) => react(/** @type {CustomEvent} */ (event).detail));
}
