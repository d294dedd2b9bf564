/**
 * MessagePack codec for the control channel.
 *
 * Covers the types of the protocol: nil, bool, int, float, str, bin, array and map with string keys.
 * In and out: plain JavaScript values <-> Uint8Array. Bin is Uint8Array. A 64-bit integer is read as a
 * Number and must be a safe one. Extension types are rejected.
 */

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true });
const MAX_DEPTH = 32;

/**
 * @param {unknown} value
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {TypeError} when the value contains an unsupported type (a function, undefined, a bigint).
 */
export function encode(value) {
  const writer = new Writer();
  writer.write(value, 0);
  return writer.bytes();
}

/**
 * @param {ArrayBuffer | Uint8Array} data exactly one encoded value
 * @throws {RangeError} when the data is cut short, has bytes left over, is nested too deeply or holds an unsafe integer.
 * @throws {TypeError} when it holds an extension type or a map key that is no string.
 */
export function decode(data) {
  const reader = new Reader(data instanceof Uint8Array ? data : new Uint8Array(data));
  const value = reader.read(0);
  if (!reader.atEnd) throw new RangeError("msgpack: bytes left over after the value");
  return value;
}

class Writer {
  #buffer = new Uint8Array(256);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #offset = 0;

  bytes() {
    return this.#buffer.slice(0, this.#length);
  }

  /** @param {unknown} value @param {number} depth */
  write(value, depth) {
    if (depth > MAX_DEPTH) throw new RangeError("msgpack: nested too deeply");
    if (value === null) this.#byte(0xc0);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "string") this.#string(value);
    else if (value instanceof Uint8Array) this.#binary(value);
    else if (Array.isArray(value)) {
      this.#header(value.length, 0x90, 15, null, 0xdc, 0xdd);
      for (const item of value) this.write(item, depth + 1);
    } else if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
      const entries = Object.entries(value);
      this.#header(entries.length, 0x80, 15, null, 0xde, 0xdf);
      for (const [key, item] of entries) {
        this.#string(key);
        this.write(item, depth + 1);
      }
    } else throw new TypeError(`msgpack: cannot encode a ${typeof value}`);
  }

  /** Number.isSafeInteger decides between int and float, so 1.0 travels as the int 1. @param {number} value */
  #number(value) {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#byte(0xcb);
      this.#room(8).setFloat64(this.#offset, value);
    } else if (value >= 0) {
      if (value < 0x80) this.#byte(value);
      else if (value <= 0xff) this.#byte(0xcc, value);
      else if (value <= 0xffff) this.#uint16(0xcd, value);
      else if (value <= 0xffffffff) this.#uint32(0xce, value);
      else {
        this.#byte(0xcf);
        this.#room(8).setBigUint64(this.#offset, BigInt(value));
      }
    } else if (value >= -0x20) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#byte(0xd0, value & 0xff);
    else if (value >= -0x8000) this.#uint16(0xd1, value & 0xffff);
    else if (value >= -0x80000000) this.#uint32(0xd2, value >>> 0);
    else {
      this.#byte(0xd3);
      this.#room(8).setBigInt64(this.#offset, BigInt(value));
    }
  }

  /** @param {string} text */
  #string(text) {
    const bytes = utf8Encoder.encode(text);
    this.#header(bytes.length, 0xa0, 31, 0xd9, 0xda, 0xdb);
    this.#append(bytes);
  }

  /** @param {Uint8Array} bytes */
  #binary(bytes) {
    this.#header(bytes.length, 0, -1, 0xc4, 0xc5, 0xc6);
    this.#append(bytes);
  }

  /**
   * The shortest length header; `tag8` is null for arrays and maps, which have no 8-bit form.
   * @param {number} length @param {number} fixTag @param {number} fixLimit @param {number | null} tag8 @param {number} tag16 @param {number} tag32
   */
  #header(length, fixTag, fixLimit, tag8, tag16, tag32) {
    if (length <= fixLimit) this.#byte(fixTag | length);
    else if (tag8 !== null && length <= 0xff) this.#byte(tag8, length);
    else if (length <= 0xffff) this.#uint16(tag16, length);
    else this.#uint32(tag32, length);
  }

  /** @param {...number} values */
  #byte(...values) {
    for (const value of values) this.#room(1).setUint8(this.#offset, value);
  }

  /** @param {number} tag @param {number} value */
  #uint16(tag, value) {
    this.#byte(tag);
    this.#room(2).setUint16(this.#offset, value);
  }

  /** @param {number} tag @param {number} value */
  #uint32(tag, value) {
    this.#byte(tag);
    this.#room(4).setUint32(this.#offset, value);
  }

  /** @param {Uint8Array} bytes */
  #append(bytes) {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#offset);
  }

  /** Reserves `count` bytes at #offset and returns the view to write them with; the buffer may have moved. @param {number} count */
  #room(count) {
    this.#offset = this.#length;
    this.#length += count;
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#buffer.length * 2));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    return this.#view;
  }
}

class Reader {
  #bytes;
  #view;
  #offset = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd() {
    return this.#offset === this.#bytes.length;
  }

  /** @param {number} depth @returns {any} */
  read(depth) {
    if (depth > MAX_DEPTH) throw new RangeError("msgpack: nested too deeply");
    const tag = this.#uint8();
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.#array(tag & 0x0f, depth);
    if (tag < 0xc0) return this.#string(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.#take(this.#uint8()).slice();
      case 0xc5: return this.#take(this.#uint16()).slice();
      case 0xc6: return this.#take(this.#uint32()).slice();
      case 0xca: return this.#view.getFloat32(this.#skip(4));
      case 0xcb: return this.#view.getFloat64(this.#skip(8));
      case 0xcc: return this.#uint8();
      case 0xcd: return this.#uint16();
      case 0xce: return this.#uint32();
      case 0xcf: return safe(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0: return this.#view.getInt8(this.#skip(1));
      case 0xd1: return this.#view.getInt16(this.#skip(2));
      case 0xd2: return this.#view.getInt32(this.#skip(4));
      case 0xd3: return safe(this.#view.getBigInt64(this.#skip(8)));
      case 0xd9: return this.#string(this.#uint8());
      case 0xda: return this.#string(this.#uint16());
      case 0xdb: return this.#string(this.#uint32());
      case 0xdc: return this.#array(this.#uint16(), depth);
      case 0xdd: return this.#array(this.#uint32(), depth);
      case 0xde: return this.#map(this.#uint16(), depth);
      case 0xdf: return this.#map(this.#uint32(), depth);
      default: throw new TypeError(`msgpack: type 0x${tag.toString(16)} is not supported`);
    }
  }

  /** @param {number} length @param {number} depth */
  #array(length, depth) {
    const items = [];
    for (let i = 0; i < length; i++) items.push(this.read(depth + 1));
    return items;
  }

  /** @param {number} length @param {number} depth */
  #map(length, depth) {
    const entries = [];
    for (let i = 0; i < length; i++) {
      const key = this.read(depth + 1);
      if (typeof key !== "string") throw new TypeError("msgpack: a map key must be a string");
      entries.push([key, this.read(depth + 1)]);
    }
    return Object.fromEntries(entries);
  }

  /** @param {number} length */
  #string(length) {
    return utf8Decoder.decode(this.#take(length));
  }

  #uint8() {
    return this.#view.getUint8(this.#skip(1));
  }

  #uint16() {
    return this.#view.getUint16(this.#skip(2));
  }

  #uint32() {
    return this.#view.getUint32(this.#skip(4));
  }

  /** @param {number} length */
  #take(length) {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** @param {number} count */
  #skip(count) {
    const start = this.#offset;
    if (start + count > this.#bytes.length) throw new RangeError("msgpack: the data is cut short");
    this.#offset += count;
    return start;
  }
}

/** @param {bigint} big */
function safe(big) {
  const value = Number(big);
  if (!Number.isSafeInteger(value)) throw new RangeError("msgpack: the integer is too large for a Number");
  return value;
}
