/**
 * Writes tags into a WebM file from MediaRecorder, which omits them (Matroska, RFC 9559, section 5.1.8).
 *
 * A live file has a segment of unknown size and no index, so an element inserted before its first cluster
 * invalidates no offsets.
 */

const CLUSTER = [0x1f, 0x43, 0xb6, 0x75];
const TAGS = [0x12, 0x54, 0xc3, 0x67];
const TAG = [0x73, 0x73];
const TARGETS = [0x63, 0xc0];
const SIMPLE_TAG = [0x67, 0xc8];
const TAG_NAME = [0x45, 0xa3];
const TAG_STRING = [0x44, 0x87];

/**
 * @param {Blob[]} pieces of one file @param {Record<string, string>} tags values by Matroska tag name
 * @returns {Promise<(Blob | Uint8Array<ArrayBuffer>)[]>} pieces of the same file with the tags
 */
export async function withTags(pieces, tags) {
  const start = new Uint8Array(await pieces[0].arrayBuffer());
  const at = indexOf(start, CLUSTER);
  if (at < 0) return pieces;
  const simple = Object.entries(tags).flatMap(([name, value]) => element(SIMPLE_TAG, [...element(TAG_NAME, utf8(name)), ...element(TAG_STRING, utf8(value))]));
  const written = Uint8Array.from(element(TAGS, element(TAG, [...element(TARGETS, []), ...simple])));
  return [start.subarray(0, at), written, start.subarray(at), ...pieces.slice(1)];
}

/** An EBML element; its size is written in two bytes, enough for 16 kB. @param {number[]} id @param {number[]} content */
function element(id, content) {
  return [...id, 0x40 | (content.length >> 8), content.length & 0xff, ...content];
}

const utf8 = (/** @type {string} */ text) => [...new TextEncoder().encode(text)];

/** @param {Uint8Array} bytes @param {number[]} pattern */
function indexOf(bytes, pattern) {
  for (let at = 0; at + pattern.length <= bytes.length; at++) {
    if (pattern.every((byte, offset) => bytes[at + offset] === byte)) return at;
  }
  return -1;
}
