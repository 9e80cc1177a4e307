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

  /** Ascending numbers that any of some clips takes. @param {number} count @param {{frames: number, offset: number}[]} clips */
  function union(count, clips) {
    const every = new Set(clips.flatMap((clip) => numbers(count, clip.frames, clip.offset)));
    return [...every].sort((one, other) => one - other);
  }

  return { numbers, union };
})();
