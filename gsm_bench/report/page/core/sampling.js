// Which frames a clip takes: the rule of `gsm_bench.sampling`, in the same double precision.

const sampling = (() => {
  /**
   * Frame numbers from 1, in the order of time.
   * @param {number} count frames of the video
   * @param {number} frames of the clip
   * @param {number} offset in ticks
   */
  function numbers(count, frames, offset) {
    const tick = count / frames;
    const shift = tick * offset;
    return Array.from({ length: frames }, (_, at) => Math.trunc(tick * at + shift) + 1);
  }

  /**
   * Frame numbers of some clips, an array each: of ticks computed, of other samplings from the page's list.
   * @param {number} count frames of the video
   * @param {{frames: number, offset: number|null, column?: number}[]} clips
   * @param {{lengths: Uint32Array, listed: any}|null} lists numbers by length of video; null without other samplings
   */
  function taken(count, clips, lists) {
    const row = lists ? lists.lengths.indexOf(count) : -1;
    return clips.map((clip) => {
      if (clip.offset !== null) return numbers(count, clip.frames, clip.offset);
      const start = row * lists.listed.shape[1] + clip.column;
      return Array.from(lists.listed.subarray(start, start + clip.frames));
    });
  }

  /** Ascending numbers that any of some clips takes. @param {number[][]} every numbers of each clip */
  const union = (every) => [...new Set(every.flat())].sort((one, other) => one - other);

  return { numbers, taken, union };
})();
