/**
 * Drop target for files anywhere on the page, sorted by type.
 */

/**
 * @param {HTMLElement} target @param {HTMLElement} hint shown while files are dragged over the page
 * @param {{image: (file: File) => void, other: (file: File) => void}} take
 */
export function installDropTarget(target, hint, take) {
  target.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    hint.hidden = false;
  });
  target.addEventListener("dragleave", (event) => {
    if (!target.contains(/** @type {Node | null} */ (event.relatedTarget))) hint.hidden = true;
  });
  target.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    hint.hidden = true;
    const [file] = event.dataTransfer.files;
    (file.type.startsWith("image/") ? take.image : take.other)(file);
  });
}
