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
    const ones = new Float32Array(videos).fill(1);
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
     * Write the sum of some members to the total [N, C].
     * @param {Float32Array} total
     * @param {Weighted[]} members
     * @param {boolean} probabilities average probabilities, else logits or their logarithms
     * @param {Float32Array} [before] what they are added to; nothing unless given
     */
    function sum(total, members, probabilities, before) {
      const parts = members.flatMap(({ layers: own, weight, temperature }) => {
        const share = weight / own.length;
        const terms = Float32Array.from(distance, (d) => (probabilities ? share * Math.exp(-d / temperature) : (-share * d) / temperature));
        return own.map((layer) => ({ codes: layers[layer], terms, scales: probabilities ? inverseSums(layer, temperature) : ones }));
      });
      if (!before) total.fill(0);
      let from = before || total;
      for (let at = 0; at < parts.length; at += 2) {
        if (at + 1 < parts.length) addTwo(total, from, parts[at], parts[at + 1]);
        else addOne(total, from, parts[at]);
        from = total;
      }
    }

    function addOne(total, from, { codes, terms, scales }) {
      for (let row = 0, at = 0; row < videos; row++) {
        const scale = scales[row];
        for (const end = at + classes; at < end; at++) total[at] = from[at] + scale * terms[codes[at]];
      }
    }

    /** Two layers in one pass: reading and writing the total costs as much as a layer. */
    function addTwo(total, from, { codes, terms, scales }, other) {
      const { codes: codes2, terms: terms2, scales: scales2 } = other;
      for (let row = 0, at = 0; row < videos; row++) {
        const scale = scales[row];
        const scale2 = scales2[row];
        for (const end = at + classes; at < end; at++) total[at] = from[at] + scale * terms[codes[at]] + scale2 * terms2[codes2[at]];
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
        if (label >= classes) continue; // without a column: wrong
        const own = total[start + label];
        let above = 0;
        for (let at = 0; at < label && above < 5; at++) if (total[start + at] >= own) above++;
        for (let at = label + 1; at < classes && above < 5; at++) if (total[start + at] > own) above++;
        if (above === 0) first++;
        if (above < 5) five++;
      }
      return [first, five];
    }

    return { sum, countedRows, hits, total: () => new Float32Array(videos * classes) };
  }

  /**
   * Labels, of which those without a column are C, which is wrong: a video that has a rank counts, also without a label.
   * @param {any} labels [N] @param {any} ranks [R, N], both with the highest value where there is none @param {number} classes C
   * @returns {Uint16Array} [N], 65535 unknown
   */
  function labelsOf(labels, ranks, classes) {
    const unknown = 256 ** labels.BYTES_PER_ELEMENT - 1;
    const none = 256 ** ranks.BYTES_PER_ELEMENT - 1;
    return Uint16Array.from(labels, (label, row) => {
      if (label !== unknown) return label;
      for (let at = row; at < ranks.length; at += labels.length) if (ranks[at] !== none) return classes;
      return 65535;
    });
  }

  return { create, distances, labelsOf };
})();
