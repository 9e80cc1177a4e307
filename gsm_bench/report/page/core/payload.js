// Reads the index and inflates blobs when their first array is asked for.

/**
 * @typedef {Object} Result
 * @property {string} name unique in the split
 * @property {number} predictions row in the arrays of predictions; -1 if only ranks are kept
 * @property {string[]} members of an ensemble
 * @property {number|null} gflops per video
 */
/**
 * @typedef {Object} Split
 * @property {string} key "dataset/split"
 * @property {number} videos
 * @property {string[]} tasks
 * @property {Result[]} results
 * @property {(name: string) => any} fact
 * @property {(name: string) => Promise<any>} array typed array with `shape`, or what JSON holds
 * @property {(name: string) => boolean} has whether there is such an array
 */

const payload = (() => {
  const VIEWS = {
    u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i1: Int8Array, i2: Int16Array, i4: Int32Array, f4: Float32Array,
  };
  const index = JSON.parse(document.getElementById("index").textContent);
  /** @type {Map<string, Promise<ArrayBuffer>>} */
  const blobs = new Map();

  function bytesOf(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    return bytes;
  }

  const parsed = new Promise((resolve) => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
    else resolve();
  });
  const first = new Set([...document.querySelectorAll("script[id^=blob-]")].map((element) => element.id));

  async function inflated(name) {
    if (!first.has(`blob-${name}`)) await parsed; // it stands below this script
    const element = document.getElementById(`blob-${name}`);
    const stream = new Blob([bytesOf(element.textContent)]).stream().pipeThrough(new DecompressionStream("deflate"));
    element.remove();
    return new Response(stream).arrayBuffer();
  }

  /** The bytes of a blob, inflated once. @param {string} name */
  function blob(name) {
    if (!blobs.has(name)) blobs.set(name, inflated(name));
    return blobs.get(name);
  }

  async function read(place) {
    const buffer = await blob(place.blob);
    if (place.type === "json") return JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, place.at, place.bytes)));
    const length = place.shape.reduce((product, size) => product * size, 1);
    const two = place.type.endsWith("2");
    const values = two ? joined(VIEWS[place.type], new Uint8Array(buffer, place.at, 2 * length)) : new VIEWS[place.type](buffer, place.at, length);
    values.shape = place.shape;
    return values;
  }

  /** Values of two bytes, whose low bytes are stored before all high ones. */
  function joined(View, bytes) {
    const values = new View(bytes.length / 2);
    for (let at = 0; at < values.length; at++) values[at] = bytes[at] | (bytes[at + values.length] << 8);
    return values;
  }

  /** @returns {Split} */
  function splitOf(entry) {
    const known = new Map();
    return {
      key: entry.key, videos: entry.videos, tasks: entry.tasks, results: entry.results,
      fact: (name) => entry[name],
      has: (name) => name in entry.arrays,
      array(name) {
        if (!(name in entry.arrays)) throw new Error(`no array ${name}`);
        if (!known.has(name)) known.set(name, read(entry.arrays[name]));
        return known.get(name);
      },
    };
  }

  return { facts: index, splits: index.splits.map(splitOf) };
})();
