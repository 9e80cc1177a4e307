// Which videos a view shows: a pure function of the arrays of a split and of the parameters in the address.

/**
 * @typedef {Object} Videos the arrays of one task
 * @property {string} task
 * @property {string[]} names of classes
 * @property {string[]} ids
 * @property {any} labels [N]
 * @property {any} ranks [R, N]
 * @property {any} classes [F, N, 5]; null until `filters.complete`, as the next two
 * @property {any} permille [F, N, 5]
 * @property {any} bins [F, N] of the reliability diagram, if there are any
 * @property {Uint8Array} solved [N] by how many results with predictions
 * @property {number} judges how many results these are
 * @property {number} unknown value of an unknown label or rank
 */

const filters = (() => {
  const UNKNOWN_PERMILLE = 65535;

  /** Reads the videos of a task without predictions, see `complete`. @returns {Promise<Videos>} */
  async function load(split, task) {
    const labelled = split.has(`${task}/labels`) ? split.array(`${task}/labels`) : null;
    const [ids, labels, ranks] = await Promise.all([split.array("ids"), labelled, split.array(`${task}/ranks`)]);
    const judged = split.results.map((result, row) => (result.predictions >= 0 ? row : -1)).filter((row) => row >= 0);
    const rows = judged.length ? judged : split.results.map((_, row) => row);
    return {
      task, names: split.fact("classes")[task] || [], ids, labels, ranks, classes: null, permille: null, bins: null,
      unknown: ranks instanceof Uint8Array ? 255 : 65535,
      solved: countRight(ranks, rows, split.videos), judges: rows.length,
    };
  }

  /** Adds the predictions, if there are any. @param {Split} split @param {Videos} videos @returns {Promise<Videos>} */
  async function complete(split, videos) {
    if (!videos.classes && split.has(`${videos.task}/classes`)) {
      const names = ["classes", "permille", "bins"].map((name) => `${videos.task}/${name}`);
      [videos.classes, videos.permille, videos.bins] = await Promise.all(names.map(split.array));
    }
    return videos;
  }

  /** Whether a view cannot be shown without predictions. @param {URLSearchParams} parameters */
  function asksForPredictions(parameters) {
    const filtered = ["predicted", "from", "to", "bin"].some((name) => parameters.get(name));
    return filtered || ["sure", "unsure"].includes(parameters.get("sort"));
  }

  function countRight(ranks, rows, videos) {
    const counts = new Uint8Array(videos);
    for (const row of rows) {
      const start = row * videos;
      for (let video = 0; video < videos; video++) if (ranks[start + video] === 0) counts[video]++;
    }
    return counts;
  }

  /** The row of a result by its name; -1 without. @param {Split} split @param {string} name */
  function rowOf(split, name) {
    return split.results.findIndex((result) => result.name === name || result.source === name);
  }

  /** The result whose predictions a list shows: as asked for, else of the first filter, else the best one. */
  function shownResult(split, parameters) {
    const asked = [...parameters.getAll("by"), ...parameters.getAll("wrong"), ...parameters.getAll("right")];
    const rows = asked.map((name) => rowOf(split, name)).filter((row) => row >= 0 && split.results[row].predictions >= 0);
    return rows.length ? rows[0] : split.results.findIndex((result) => result.predictions >= 0);
  }

  /**
   * The rows that a view shows, in its order.
   * @param {Split} split
   * @param {Videos} videos
   * @param {URLSearchParams} parameters
   * @returns {Uint32Array}
   */
  function matching(split, videos, parameters) {
    const count = split.videos;
    const keep = new Uint8Array(count).fill(1);
    const drop = (test) => { for (let video = 0; video < count; video++) if (keep[video] && !test(video)) keep[video] = 0; };
    byRanks(split, videos, parameters, drop);
    byClasses(split, videos, parameters, drop);
    byConfidence(split, videos, parameters, drop);
    byText(videos, parameters.get("q"), drop);
    let size = 0;
    for (let video = 0; video < count; video++) size += keep[video];
    const rows = new Uint32Array(size);
    for (let video = 0, at = 0; video < count; video++) if (keep[video]) rows[at++] = video;
    return ordered(split, videos, parameters, rows);
  }

  function byRanks(split, videos, parameters, drop) {
    const k = Number(parameters.get("k")) || 1;
    const { ranks, unknown, solved } = videos;
    for (const [name, right] of [...parameters.getAll("right").map((one) => [one, true]),
      ...parameters.getAll("wrong").map((one) => [one, false])]) {
      const row = rowOf(split, name);
      if (row < 0) drop(() => false);
      const start = row * split.videos;
      drop((video) => {
        const rank = ranks[start + video];
        return rank !== unknown && (rank < k) === right;
      });
    }
    const [least, most] = [parameters.get("solved_from"), parameters.get("solved")];
    if (least !== null) drop((video) => solved[video] >= Number(least));
    if (most !== null) drop((video) => solved[video] <= Number(most));
  }

  function byClasses(split, videos, parameters, drop) {
    const number = (name) => videos.names.indexOf(name);
    if (parameters.get("class") !== null) {
      const wanted = number(parameters.get("class"));
      drop((video) => wanted >= 0 && videos.labels && videos.labels[video] === wanted);
    }
    if (parameters.get("predicted") !== null) {
      const wanted = number(parameters.get("predicted"));
      const first = firstOf(split, videos, parameters);
      drop((video) => wanted >= 0 && first !== null && videos.classes[first(video)] === wanted);
    }
  }

  /** Where the best class of a video lies in the arrays [F, N, 5]; null without predictions. */
  function firstOf(split, videos, parameters) {
    const row = shownResult(split, parameters);
    if (row < 0 || !videos.classes) return null;
    const places = videos.classes.shape[2];
    const start = split.results[row].predictions * split.videos * places;
    return (video) => start + video * places;
  }

  function byConfidence(split, videos, parameters, drop) {
    const first = firstOf(split, videos, parameters);
    const limit = (name) => (parameters.get(name) ? Number(parameters.get(name)) * 10 : null);
    const [low, high, bin] = [limit("from"), limit("to"), parameters.get("bin")];
    if (first === null) return;
    if (low !== null) drop((video) => videos.permille[first(video)] >= low && videos.permille[first(video)] !== UNKNOWN_PERMILLE);
    if (high !== null) drop((video) => videos.permille[first(video)] <= high);
    if (bin !== null && videos.bins) {
      const start = split.results[shownResult(split, parameters)].predictions * split.videos;
      drop((video) => videos.bins[start + video] === Number(bin));
    }
  }

  const lowered = new WeakMap();

  function byText(videos, text, drop) {
    const wanted = (text || "").trim().toLowerCase();
    if (!wanted) return;
    if (!lowered.has(videos.ids)) lowered.set(videos.ids, videos.ids.map((id) => id.toLowerCase()));
    const ids = lowered.get(videos.ids);
    const named = videos.names.map((name) => name.toLowerCase().includes(wanted));
    drop((video) => ids[video].includes(wanted) || (videos.labels && named[videos.labels[video]]));
  }

  function ordered(split, videos, parameters, rows) {
    const sort = parameters.get("sort");
    if (sort === "hard") return rows.sort((one, other) => videos.solved[one] - videos.solved[other] || one - other);
    const first = firstOf(split, videos, parameters);
    if ((sort === "sure" || sort === "unsure") && first) {
      const sign = sort === "sure" ? -1 : 1;
      const sure = (video) => (videos.permille[first(video)] === UNKNOWN_PERMILLE ? -1 : videos.permille[first(video)]);
      return rows.sort((one, other) => sign * (sure(one) - sure(other)) || one - other);
    }
    return rows;
  }

  return { load, complete, asksForPredictions, matching, rowOf, shownResult, firstOf, UNKNOWN_PERMILLE };
})();
