// Pictures of the frames of a video: from an animation inside the page, or from a sheet in the folder beside it.

/**
 * @typedef {Object} Pictures
 * @property {number} count frames of the video; 0 unknown
 * @property {number[][]} clips numbers of the frames of each clip; empty where the video's are unknown
 * @property {number[]} numbers of the frames that there are pictures of
 * @property {Object<string, string>} bad reason by number, of frames that cannot be read
 * @property {string} problem why there are no pictures; empty if there are
 * @property {number} width
 * @property {number} height
 * @property {((context: CanvasRenderingContext2D, at: number, x: number, y: number, width: number, height: number) => void)|null} draw
 * @property {string} animation address of a picture that moves by itself, where single frames cannot be drawn
 */

const pictures = (() => {
  const COLUMNS = 8;
  const KEPT = 6;
  /** @type {Map<string, Promise<Pictures>>} */
  const loaded = new Map();
  const NOT_HERE = "No frames of this video: the page holds those of the most telling ones. gsmbench report --all-clips adds the others.";

  /** The pictures of a video. @param {Split} split @param {number} video @returns {Promise<Pictures>} */
  function load(split, video) {
    const name = `${split.key} ${video}`;
    const known = loaded.get(name) || read(split, video);
    loaded.delete(name);
    loaded.set(name, known);
    if (loaded.size > KEPT) {
      const [oldest, dropped] = loaded.entries().next().value;
      loaded.delete(oldest);
      dropped.then((one) => one.release && one.release()).catch(() => {});
    }
    return known;
  }

  async function read(split, video) {
    const { clips, media, folder, note } = split.fact("frames");
    const [counts, places, outside, problems] = await Promise.all(
      ["counts", "places", "outside", "problems"].map((name) => split.array(`frames/${name}`)));
    const count = counts[video];
    const taken = count ? sampling.taken(count, clips, await listsOf(split)) : [];
    const base = { count, clips: taken, numbers: [], bad: problems.frames[video] || {}, problem: "", width: 0, height: 0, draw: null, animation: "" };
    const [blob, start, bytes] = places.subarray(3 * video, 3 * video + 3);
    const reason = problems.videos[video];
    if (reason) return { ...base, problem: reason };
    const numbers = sampling.union(taken);
    try {
      if (bytes) {
        const content = (await split.array(`frames/${blob}`)).subarray(start, start + bytes);
        return { ...base, numbers, ...(await animated(content, media, numbers.length)) };
      }
      if (folder && outside.includes(video)) {
        return { ...base, numbers, ...(await sheet(`${folder}/${video}.${media.replace("image/", "")}`, numbers.length)) };
      }
    } catch (error) {
      return { ...base, problem: error.message };
    }
    return { ...base, problem: note || NOT_HERE };
  }

  /** Frames of clips that are not in ticks, by length of video; null if all are. @param {Split} split */
  async function listsOf(split) {
    if (!split.has("frames/listed")) return null;
    const [lengths, listed] = await Promise.all([split.array("frames/lengths"), split.array("frames/listed")]);
    return { lengths, listed };
  }

  /** Frames of an animation. @param {Uint8Array} content @param {string} media @param {number} frames */
  async function animated(content, media, frames) {
    if (!("ImageDecoder" in window) || !(await ImageDecoder.isTypeSupported(media))) {
      return { animation: URL.createObjectURL(new Blob([content], { type: media })) };
    }
    const decoder = new ImageDecoder({ data: content, type: media });
    await decoder.tracks.ready;
    const drawn = [];
    for (let at = 0; at < Math.min(frames, decoder.tracks.selectedTrack.frameCount); at++) {
      const { image } = await decoder.decode({ frameIndex: at });
      drawn.push(await createImageBitmap(image));
      image.close();
    }
    decoder.close();
    if (drawn.length !== frames) throw new Error(`these pictures are damaged: ${drawn.length} of ${frames} frames`);
    return {
      width: drawn[0].width, height: drawn[0].height,
      draw: (context, at, x, y, width, height) => context.drawImage(drawn[at], x, y, width, height),
      release: () => drawn.forEach((one) => one.close()),
    };
  }

  /** Frames of a sheet, in rows of eight. @param {string} address @param {number} frames */
  async function sheet(address, frames) {
    const image = new Image();
    image.src = address;
    try {
      await image.decode();
    } catch {
      throw new Error(`no picture at ${address}: keep this folder beside the page`);
    }
    const width = image.naturalWidth / Math.min(COLUMNS, frames);
    const height = image.naturalHeight / Math.ceil(frames / COLUMNS);
    return {
      width, height,
      draw: (context, at, x, y, toWidth, toHeight) => context.drawImage(
        image, (at % COLUMNS) * width, Math.floor(at / COLUMNS) * height, width, height, x, y, toWidth, toHeight),
    };
  }

  return { load };
})();
