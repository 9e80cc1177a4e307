// A cascade at every threshold of its grid, exactly.

const stages = (() => {
  /**
   * Counts at each threshold of the grid, one for all members.
   * @param {Uint16Array} places [K - 1, n] first place in the grid at which a video continues after each member
   * @param {any} ranks [K, n] rank of the label after each member, from 0
   * @param {{members: number, videos: number, steps: number}} shape steps: length of the grid
   * @returns {{top1: Float64Array, top5: Float64Array, reach: Float64Array[]}} videos that are right, and that reach each member
   */
  function curve(places, ranks, { members, videos, steps }) {
    const top1 = new Float64Array(steps);
    const top5 = new Float64Array(steps);
    const reach = Array.from({ length: members }, () => new Float64Array(steps));
    for (let video = 0; video < videos; video++) {
      let rank = ranks[video];
      let from = 0;
      top1[0] += Number(rank < 1);
      top5[0] += Number(rank < 5);
      reach[0][0] += 1;
      for (let member = 1; member < members; member++) {
        from = Math.max(from, places[(member - 1) * videos + video]);
        const next = ranks[member * videos + video];
        top1[from] += Number(next < 1) - Number(rank < 1);
        top5[from] += Number(next < 5) - Number(rank < 5);
        reach[member][from] += 1;
        rank = next;
      }
    }
    for (const counts of [top1, top5, ...reach]) {
      for (let step = 1; step < steps; step++) counts[step] += counts[step - 1];
    }
    return { top1, top5, reach };
  }

  /** The last member that runs for a video, from 0. @param {number[]} thresholds places in the grid, one per member but the last */
  function last(places, thresholds, video, videos) {
    let member = 0;
    while (member < thresholds.length && places[member * videos + video] <= thresholds[member]) member++;
    return member;
  }

  return { curve, last };
})();
