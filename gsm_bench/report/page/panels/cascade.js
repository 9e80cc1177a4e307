// The cascade: a threshold to drag, and what it costs and gives; the library's own points beside the curve.

/** Arrays of a cascade, read once. */
const cascades = (() => {
  const known = new Map();
  async function load(split, number) {
    const name = (part) => `cascade/${number}/${part}`;
    const facts = split.fact("cascades")[number];
    const [rows, ranks, grids] = await Promise.all(["rows", "ranks", "grids"].map((part) => split.array(name(part))));
    const rules = Object.keys(grids);
    const places = Object.fromEntries(await Promise.all(rules.map(async (rule) => [rule, await split.array(name(rule))])));
    return { facts, rows, ranks, grids, places, rules, videos: rows.length, members: facts.members.length };
  }
  return {
    load(split, number) {
      const name = `${split.key} ${number}`;
      if (!known.has(name)) known.set(name, load(split, number));
      return known.get(name);
    },
  };
})();

panels.register((() => {
  const [HIGH, LEFT, ABOVE, BELOW] = [320, 46, 26, 40];
  /** @type {Map<HTMLElement, any>} */
  const states = new Map();

  async function render(root, split) {
    const state = { root, split, number: 0, rule: "", at: -1 };
    states.set(root, state);
    await open(state, nav.asked().section === "cascade" ? nav.asked().parameters : new URLSearchParams());
  }

  async function open(state, parameters) {
    const every = state.split.fact("cascades");
    const named = every.findIndex((cascade) => cascade.name === parameters.get("name"));
    state.number = Math.max(0, named);
    const cascade = await cascades.load(state.split, state.number);
    const { chosen } = cascade.facts;
    state.cascade = cascade;
    state.rule = cascade.rules.includes(parameters.get("rule")) ? parameters.get("rule") : chosen.rule;
    const wanted = parameters.get("threshold") === null ? chosen.thresholds[0] : Number(parameters.get("threshold"));
    trace(state);
    state.at = nearest(cascade.grids[state.rule], wanted);
    build(state);
  }

  const nearest = (grid, value) => grid.reduce((best, one, at) => (Math.abs(one - value) < Math.abs(grid[best] - value) ? at : best), 0);

  /** The whole curve of the rule. */
  function trace(state) {
    const { cascade, rule } = state;
    const { facts, members, videos } = cascade;
    const grid = cascade.grids[rule];
    const { top1, top5, reach } = stages.curve(cascade.places[rule], cascade.ranks, { members, videos, steps: grid.length });
    const added = facts.costs.map((cost, at) => cost - (at ? facts.costs[at - 1] : 0));
    state.curve = grid.map((threshold, step) => ({
      threshold, top1: (100 * top1[step]) / videos, top5: (100 * top5[step]) / videos,
      cost: added.reduce((sum, cost, member) => sum + (cost * reach[member][step]) / videos, 0),
      shares: reach.map((counts) => counts[step] / videos),
    }));
  }

  function build(state) {
    const { root, split, cascade } = state;
    const every = split.fact("cascades");
    const { facts, rules } = cascade;
    state.slider = h("input", { class: "no-print", type: "range", min: 0, max: state.curve.length - 1, step: 1, "aria-label": "Threshold", oninput: () => move(state, Number(state.slider.value)) });
    state.figures = h("dl", { class: "figures" });
    state.reach = h("div", { class: "reach" });
    state.chart = chart(state);
    root.replaceChildren(
      h("div", { class: "controls no-print" },
        every.length > 1 ? menu("Cascade", every.map((one) => [one.name, one.name]), facts.name, (name) => open(state, new URLSearchParams({ name }))) : null,
        menu("Confidence by", rules.map((rule) => [rule, rule === "confidence" ? "highest probability" : rule]), state.rule, (rule) => change(state, rule))),
      h("div", { class: "columns" },
        h("div", { class: "dial" }, state.chart, state.slider,
          h("p", { class: "soft" }, "Line: one threshold for all members. Rings: the library's cascades. Discs: the first members for every video.")),
        h("div", { class: "answer dial" }, state.figures, h("p", { class: "soft" }, "Videos that reach each member"), state.reach)),
      library(state), h("code", { class: "command" }, facts.command));
    move(state, state.at, true);
  }

  /** Another rule, at the threshold of about the same cost. */
  function change(state, rule) {
    const { cost } = state.curve[state.at];
    state.rule = rule;
    trace(state);
    state.at = nearest(state.curve.map((point) => point.cost), cost);
    build(state);
    move(state, state.at);
  }

  function scales(state) {
    const { wide } = state;
    const points = [...state.curve, ...ownPoints(state)];
    const range = (values, pad) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const spare = (high - low || 1) * pad;
      return [low - spare, high + spare];
    };
    const [lowCost, highCost] = range(points.map((point) => point.cost), 0.04);
    const [lowTop, highTop] = range(points.map((point) => point.top1), 0.08);
    return {
      x: (cost) => LEFT + ((cost - lowCost) / (highCost - lowCost)) * (wide - LEFT - 10),
      y: (top1) => HIGH - BELOW - ((top1 - lowTop) / (highTop - lowTop)) * (HIGH - BELOW - ABOVE),
      ticksX: ticks(lowCost, highCost), ticksY: ticks(lowTop, highTop),
    };
  }

  function ticks(low, high) {
    const rough = (high - low) / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
    const values = [];
    for (let at = Math.ceil(low / step); at * step <= high; at++) values.push(at * step);
    return values.map((value) => [value, value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))]);
  }

  /** Rows of the library that this rule shows: the first members for all videos, and its own thresholds. */
  function ownPoints(state) {
    const { facts } = state.cascade;
    const cost = (point) => (point.gflops === null ? point.shares.reduce((sum, share) => sum + share, 0) : point.gflops);
    return facts.points.filter((point) => point.rule === null || point.rule === state.rule)
      .map((point) => ({ ...point, cost: cost(point), top1: 100 * point.top1, top5: 100 * point.top5 }));
  }

  function chart(state) {
    const { facts } = state.cascade;
    const wide = Math.max(300, Math.min(640, state.root.clientWidth));
    state.wide = wide;
    const { x, y, ticksX, ticksY } = scales(state);
    state.place = { x, y };
    const line = state.curve.map((point, at) => `${at ? "L" : "M"}${x(point.cost).toFixed(1)} ${y(point.top1).toFixed(1)}`).join("");
    state.here = svg("circle", { class: "here", r: 8 });
    const drawn = svg("svg", { viewBox: `0 0 ${wide} ${HIGH}`, role: "img", "aria-label": `Top-1 against mean ${facts.unit} per video; the slider below moves the point` },
      ...ticksX.map(([value, text]) => svg("g", {}, svg("line", { class: "axis-line", x1: x(value), x2: x(value), y1: ABOVE, y2: HIGH - BELOW }), svg("text", { x: x(value), y: HIGH - BELOW + 18, "text-anchor": "middle" }, text))),
      ...ticksY.map(([value, text]) => svg("g", {}, svg("line", { class: "axis-line", x1: LEFT, x2: wide - 10, y1: y(value), y2: y(value) }), svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, text))),
      svg("text", { x: wide - 10, y: HIGH - 6, "text-anchor": "end" }, `mean ${facts.unit} per video`), svg("text", { x: LEFT - 36, y: 12 }, "top-1 (%)"),
      svg("path", { class: "curve", d: line }),
      ...ownPoints(state).map((point) => svg("circle", { class: point.rule ? "point" : "point members", r: 4, cx: x(point.cost), cy: y(point.top1) }, svg("title", {}, `${point.label}: ${point.top1.toFixed(2)} %, ${point.cost.toFixed(2)} ${facts.unit}`))),
      state.here);
    drawn.addEventListener("pointerdown", (event) => { drawn.setPointerCapture(event.pointerId); drag(state, event); });
    drawn.addEventListener("pointermove", (event) => { if (event.buttons) drag(state, event); });
    return drawn;
  }

  function drag(state, event) {
    event.preventDefault();
    const frame = state.chart.getBoundingClientRect();
    const wanted = ((event.clientX - frame.left) / frame.width) * state.wide;
    const distance = (at) => Math.abs(state.place.x(state.curve[at].cost) - wanted);
    move(state, state.curve.reduce((best, _, at) => (distance(at) < distance(best) ? at : best), 0));
  }

  function move(state, at, quiet) {
    const { cascade, curve, figures, reach, here, slider } = state;
    state.at = at;
    const point = curve[at];
    const { unit, members } = cascade.facts;
    here.setAttribute("cx", state.place.x(point.cost));
    here.setAttribute("cy", state.place.y(point.top1));
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", `threshold ${point.threshold.toFixed(4)}: top-1 ${point.top1.toFixed(2)} %, ${point.cost.toFixed(2)} ${unit}`);
    const values = [["Threshold", point.threshold.toFixed(4), "threshold"], ["Top-1", `${point.top1.toFixed(2)} %`, "top1"], ["Top-5", `${point.top5.toFixed(2)} %`, "top5"],
      [`Mean ${unit}`, point.cost.toFixed(2), "cost"]];
    figures.replaceChildren(...values.map(([name, text, key]) => h("div", {}, h("dt", {}, name), h("dd", { class: key }, text))));
    reach.replaceChildren(...members.map((member, number) => {
      const bar = h("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--share", String(point.shares[number]));
      return h("div", {}, h("span", { class: "name" }, member), bar, h("span", { class: "value" }, `${(100 * point.shares[number]).toFixed(1)} %`));
    }));
    if (!quiet) nav.go("cascade", { name: state.number ? cascade.facts.name : null, rule: state.rule, threshold: point.threshold }, true);
  }

  /** The library's rows of this rule, each with a link to its threshold. */
  function library(state) {
    const { facts } = state.cascade;
    const points = ownPoints(state);
    const single = (point) => (point.thresholds && new Set(point.thresholds).size === 1 ? point.thresholds[0] : null);
    const column = (key, title, numbers) => ({ key, title, kind: "number", numbers, texts: numbers.map((number) => (number === null ? "-" : number.toFixed(key === "threshold" ? 4 : 2))) });
    const table = drawnTable(`Cascades of ${facts.members.length} members, as the library counts them over ${counted(facts.videos)} videos`, [
      { key: "label", title: "Members, or rule", kind: "text", texts: points.map((point) => point.label), numbers: null },
      column("threshold", "Threshold", points.map(single)), column("cost", `Mean ${facts.unit}`, points.map((point) => point.cost)),
      column("top1", "Top-1", points.map((point) => point.top1)), column("top5", "Top-5", points.map((point) => point.top5)),
    ], (row, key) => (key === "threshold" && single(points[row]) !== null ? nav.link("cascade", { name: state.number ? facts.name : null, rule: state.rule, threshold: single(points[row]) }) : null));
    const left = facts.left_out ? ` ${counted(facts.left_out)} videos without a score of every member are left out.` : "";
    return h("div", { class: "sub" }, table, h("p", { class: "soft" }, `The curve has one threshold for all members and is exact: at these thresholds it gives the library's figures.${left}`));
  }

  return { id: "cascade", render, show: (root, split, parameters) => open(states.get(root), parameters) };
})());

details.register({
  id: "cascade",
  order: 15,
  async render(root, split, video) {
    const facts = (split.fact("cascades") || [])[0];
    if (!facts) return;
    const cascade = await cascades.load(split, 0);
    const at = cascade.rows.indexOf(video);
    if (at < 0) return;
    const { rule, thresholds } = facts.chosen;
    const grid = cascade.grids[rule];
    const stop = stages.last(cascade.places[rule], thresholds.map((threshold) => grid.indexOf(threshold)), at, cascade.videos);
    const right = facts.members.map((_, member) => cascade.ranks[member * cascade.videos + at] === 0);
    const first = right.indexOf(true);
    const words = first < 0 ? "no member makes it right" : `right from ${plain(facts.members[first])} on`;
    root.append(h("h4", {}, "As a cascade"),
      h("p", {}, `${plain(facts.name)}: ${first >= 0 && right.slice(first).includes(false) ? `first right after ${plain(facts.members[first])}` : words}. `,
        h("a", { href: nav.link("cascade") }, "The chosen one"), ` stops after ${plain(facts.members[stop])}.`),
      h("ol", { class: "steps" }, ...facts.members.map((member, number) => h("li", { class: `${right[number] ? "right" : "wrong"} ${number > stop ? "unused" : ""}` },
        `${number ? "+ " : ""}${plain(member)}: ${right[number] ? "right" : "wrong"}${number === stop ? ", stops here" : ""}`))));
  },
});
