/**
 * Layout of the labels of dots in a field, without overlap between labels and dots.
 *
 * Pure. All lengths are in px of the field, whose origin is its left upper corner.
 */

const DOT = 4; // radius of a dot
const GAP = 3; // between a dot and its label
const MARGIN = 1; // between two labels
const STEP = 6; // of the search for a free position

/**
 * @typedef {{x: number, y: number}} Point
 * @typedef {{width: number, height: number}} Size
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box
 */

/**
 * Greedy: a label goes beside its dot where a side is free, otherwise to the nearest free place of the field.
 *
 * @param {Point[]} dots
 * @param {Size[]} sizes of the labels, one for each dot
 * @param {Size} field
 * @returns {({left: number, top: number, beside: boolean} | null)[]} null where the field is full
 */
export function placeLabels(dots, sizes, field) {
  const taken = dots.map(({ x, y }) => ({ left: x - DOT, top: y - DOT, right: x + DOT, bottom: y + DOT }));
  return dots.map((dot, index) => {
    const size = sizes[index];
    for (const { left, top, beside } of candidates(dot, size, field)) {
      const box = { left, top, right: left + size.width, bottom: top + size.height };
      const inside = left >= 0 && top >= 0 && box.right <= field.width && box.bottom <= field.height;
      if (!inside || taken.some((other) => overlap(box, other))) continue;
      taken.push({ left: left - MARGIN, top: top - MARGIN, right: box.right + MARGIN, bottom: box.bottom + MARGIN });
      return { left, top, beside };
    }
    return null;
  });
}

/** The four sides of a dot, then every place of a grid, nearest first. @param {Point} dot @param {Size} label @param {Size} field */
function* candidates({ x, y }, { width, height }, field) {
  const away = DOT + GAP;
  yield { left: x + away, top: y - height / 2, beside: true };
  yield { left: x - away - width, top: y - height / 2, beside: true };
  yield { left: x - width / 2, top: y - away - height, beside: true };
  yield { left: x - width / 2, top: y + away, beside: true };
  const grid = [];
  for (let left = 0; left + width <= field.width; left += STEP) {
    for (let top = 0; top + height <= field.height; top += STEP) {
      const [nearestX, nearestY] = [Math.min(Math.max(x, left), left + width), Math.min(Math.max(y, top), top + height)];
      grid.push({ left, top, beside: false, distance: Math.hypot(nearestX - x, nearestY - y) });
    }
  }
  yield* grid.sort((a, b) => a.distance - b.distance);
}

/** @param {Box} a @param {Box} b */
function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
