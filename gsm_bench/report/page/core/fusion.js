// Fuses quantised scores and counts what is right: all videos, all classes, at any weights.

/**
 * @typedef {Object} Weighted
 * @property {number[]} layers numbers of the layers that a member averages
 * @property {number} weight
 * @property {number} temperature by which its scores are divided
 */

const fusion = (() => {
  /** The distance from the highest score that each code stands for. @param {number} levels @param {number} deepest */
  function distances(levels, deepest) {
    return Float64Array.from({ length: levels }, (_, code) => deepest * (code / (levels - 1)) ** 2);
  }

  /**
   * Scores that can be fused.
   * @param {Uint8Array[]} layers codes [N, C] each
   * @param {Uint8Array} scored [L, N], 1 where a video has scores
   * @param {{videos: number, classes: number, levels: number, deepest: number}} shape
   */
  function create(layers, scored, { videos, classes, levels, deepest }) {
    const distance = distances(levels, deepest);
    /** @type {Map<string, Float32Array>} */
    const sums = new Map();

    /** One over the sum of exp(-distance / temperature) of each row of a layer. */
    function inverseSums(layer, temperature) {
      const name = `${layer} ${temperature}`;
      if (!sums.has(name)) {
        const terms = Float32Array.from(distance, (d) => Math.exp(-d / temperature));
        const codes = layers[layer];
        const inverse = new Float32Array(videos);
        for (let row = 0, at = 0; row < videos; row++) {
          let sum = 0;
          for (const end = at + classes; at < end; at++) sum += terms[codes[at]];
          inverse[row] = 1 / sum;
        }
        sums.set(name, inverse);
      }
      return sums.get(name);
    }

    /**
     * Add a member to the total [N, C].
     * @param {Float32Array} total
     * @param {Weighted} member
     * @param {boolean} probabilities average probabilities, else logits or their logarithms
     * @param {Float32Array} [before] what it is added to; the total itself unless given
     */
    function add(total, { layers: own, weight, temperature }, probabilities, before = total) {
      const share = weight / own.length;
      let from = before;
      for (const layer of own) {
        const codes = layers[layer];
        if (probabilities) addScaled(total, from, codes, Float32Array.from(distance, (d) => share * Math.exp(-d / temperature)), inverseSums(layer, temperature));
        else addTerms(total, from, codes, Float32Array.from(distance, (d) => (-share * d) / temperature));
        from = total;
      }
    }

    function addTerms(total, from, codes, terms) {
      for (let at = 0; at < codes.length; at++) total[at] = from[at] + terms[codes[at]];
    }

    function addScaled(total, from, codes, terms, scales) {
      for (let row = 0, at = 0; row < videos; row++) {
        const scale = scales[row];
        for (const end = at + classes; at < end; at++) total[at] = from[at] + scale * terms[codes[at]];
      }
    }

    /** Rows of videos with a label and scores of all layers. @param {number[]} own @param {any} labels @param {number} unknown */
    function countedRows(own, labels, unknown) {
      const rows = new Uint32Array(videos);
      let count = 0;
      for (let row = 0; row < videos; row++) {
        if (labels[row] !== unknown && own.every((layer) => scored[layer * videos + row])) rows[count++] = row;
      }
      return rows.subarray(0, count);
    }

    /** Videos whose label is first and among the five best; ties rank by the lower class. @returns {[number, number]} */
    function hits(total, labels, rows) {
      let first = 0;
      let five = 0;
      for (const row of rows) {
        const start = row * classes;
        const label = labels[row];
        const own = total[start + label];
        let above = 0;
        for (let at = 0; at < label && above < 5; at++) if (total[start + at] >= own) above++;
        for (let at = label + 1; at < classes && above < 5; at++) if (total[start + at] > own) above++;
        if (above === 0) first++;
        if (above < 5) five++;
      }
      return [first, five];
    }

    return { add, countedRows, hits, total: () => new Float32Array(videos * classes) };
  }

  return { create, distances };
})();
