// The playground: tick members, drag weights, and see the accuracy of the fused scores.

panels.register((() => {
  const HEAVIEST = 3;
  /** @type {Map<HTMLElement, any>} */
  const states = new Map();

  function render(root, split) {
    const tasks = Object.keys(split.fact("playground"));
    const state = { root, split, task: tasks[tasks.length - 1], tasks };
    states.set(root, state);
    open(state, nav.asked().section === "playground" ? nav.asked().parameters : new URLSearchParams());
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && compute(state)).observe(root);
  }

  /** Show a task with the members that an address asks for, else with the first saved ensemble. */
  function open(state, parameters) {
    const { split } = state;
    state.task = state.tasks.includes(parameters.get("task")) ? parameters.get("task") : state.task;
    const facts = split.fact("playground")[state.task];
    Object.assign(state, { facts, others: null, dragged: -1, points: state.facts === facts ? state.points : null, probabilities: facts.kinds.every((kind) => kind === "probabilities") });
    state.members = facts.members.map((member) => ({ ...member, ticked: false, weight: 1, temperature: 1 }));
    if (parameters.get("fused")) restore(state, parameters);
    else if (facts.saved.length) take(state, facts.saved[0]);
    else state.members.forEach((member) => { member.ticked = true; });
    build(state);
    if (parameters.get("fused")) compute(state);
  }

  function restore(state, parameters) {
    for (const part of parameters.get("fused").split(",")) {
      const [at, weight] = part.split(":").map(Number);
      if (state.members[at]) Object.assign(state.members[at], { ticked: true, weight: weight >= 0 && weight <= HEAVIEST ? weight : 1 });
    }
    if (parameters.get("space")) state.probabilities = parameters.get("space") === "probabilities";
  }

  /** Tick the members of a saved ensemble at its weights. */
  function take(state, saved) {
    state.members.forEach((member) => Object.assign(member, { ticked: false, weight: 1, temperature: 1 }));
    const heaviest = Math.max(...saved.members.map(([, weight]) => weight));
    for (const [at, weight, temperature] of saved.members) {
      Object.assign(state.members[at], { ticked: true, temperature, weight: heaviest > HEAVIEST ? (HEAVIEST * weight) / heaviest : weight });
    }
    state.probabilities = saved.space === "probabilities";
  }

  function build(state) {
    const { facts, root, tasks } = state;
    if (!facts.levels) return root.replaceChildren(...leftOut(state));
    const spaces = [["log", facts.kinds.every((kind) => kind === "logits") ? "logits" : "log-probabilities"], ["probabilities", "probabilities"]];
    state.answer = h("div", { class: "answer", role: "status", "aria-live": "polite" }, h("p", { class: "soft" }, "The scores are read when this part is in view."));
    state.list = h("div", { class: "mix no-print", role: "group", "aria-label": "Members and weights" }, ...state.members.map((member, at) => line(state, member, at)));
    state.saved = h("div", {});
    root.replaceChildren(
      h("div", { class: "columns" },
        h("div", {},
          h("div", { class: "controls no-print" },
            tasks.length > 1 ? menu("Task", tasks.map((task) => [task, task]), state.task, (task) => { nav.go("playground", { task }, true); open(state, new URLSearchParams({ task })); compute(state); }) : null,
            menu("Average of", spaces, state.probabilities ? "probabilities" : "log", (value) => { state.probabilities = value === "probabilities"; changed(state); })),
          state.list),
        h("div", {}, state.answer)),
      state.saved);
    drawSaved(state);
  }

  function leftOut({ facts }) {
    const names = facts.members.length;
    return [h("p", { class: "placeholder" },
      `Left out: the scores of ${names} members would take ${(facts.size / 1e6).toFixed(0)} MB of this page, more than ${(facts.most / 1e6).toFixed(0)} MB. ` +
      "A report of fewer results has this part: name them, as in gsmbench report NAME NAME."), exactTable(facts)];
  }

  function exactTable(facts) {
    const points = facts.saved.filter((saved) => saved.scored);
    if (!points.length) return "";
    return drawnTable("Saved ensembles, as the library counts them", [
      { key: "name", title: "Ensemble", kind: "text", texts: points.map((saved) => saved.name), numbers: null },
      ...["1", "5"].map((k) => figures(`Top-${k}`, points.map((saved) => (100 * saved.hits[k]) / saved.scored))),
    ]);
  }

  const figures = (title, numbers, digits = 2) => ({ key: title, title, kind: "number", numbers, texts: numbers.map((number) => (number === null ? "-" : number.toFixed(digits))) });

  function line(state, member, at) {
    const box = h("input", { type: "checkbox", checked: member.ticked, onchange: () => { member.ticked = box.checked; changed(state); } });
    const weight = h("output", {}, member.weight.toFixed(2));
    const slider = h("input", {
      type: "range", min: 0, max: HEAVIEST, step: 0.05, value: member.weight, "aria-label": `Weight of ${plain(member.name)}`,
      oninput: () => {
        Object.assign(member, { weight: Number(slider.value), ticked: true });
        box.checked = true;
        weight.textContent = member.weight.toFixed(2);
        changed(state, at);
      },
    });
    member.show = () => {
      box.checked = member.ticked;
      slider.value = String(member.weight);
      weight.textContent = member.weight.toFixed(2);
    };
    const alone = member.scored ? `${((100 * member.hits[1]) / member.scored).toFixed(2)} %` : "";
    return h("div", { class: "member" }, h("label", {}, box, " ", h("span", { class: "name" }, member.name)), h("span", { class: "soft alone", title: "top-1 alone" }, alone), slider, weight);
  }

  /** Members, weights or space are others; `at` is the member whose weight is dragged. */
  function changed(state, at = -1) {
    const ticked = state.members.map((member, number) => [number, member]).filter(([, member]) => member.ticked);
    nav.go("playground", {
      task: state.tasks.length > 1 ? state.task : null, fused: ticked.map(([number, member]) => `${number}:${member.weight}`).join(","),
      space: state.probabilities ? "probabilities" : null,
    }, true);
    if (state.dragged !== at || at < 0) state.others = null;
    state.dragged = at;
    cancelAnimationFrame(state.frame);
    state.frame = requestAnimationFrame(() => compute(state));
  }

  /** The scores of the task, read once. */
  function engineOf(state) {
    const { split, task, facts } = state;
    state.reading = state.reading || new Map();
    if (!state.reading.has(task)) {
      state.reading.set(task, (async () => {
        const count = 1 + Math.max(...facts.members.flatMap((member) => member.layers));
        const numbers = [...Array(count).keys()];
        const [known, ranks, scored, ...layers] = await Promise.all([split.array(`${task}/labels`), split.array(`${task}/ranks`), split.array(`playground/${task}/scored`),
          ...numbers.map((number) => split.array(`playground/${task}/${number}`))]);
        const classes = layers[0].shape[1];
        const fuser = fusion.create(layers, scored, { videos: split.videos, classes, levels: facts.levels, deepest: facts.deepest });
        return { fuser, labels: fusion.labelsOf(known, ranks, classes), unknown: 65535, total: fuser.total(), rest: fuser.total() };
      })());
    }
    return state.reading.get(task);
  }

  async function compute(state) {
    if (!state.facts.levels) return;
    const engine = await engineOf(state);
    const started = performance.now();
    const active = state.members.map((member, at) => ({ ...member, at })).filter((member) => member.ticked && member.weight > 0);
    if (!active.length) return state.answer.replaceChildren(h("p", { class: "soft" }, "Tick a member, with a weight above 0."));
    const [first, five, videos] = fused(state, engine, active);
    state.root.dataset.milliseconds = (performance.now() - started).toFixed(1);
    show(state, first, five, videos);
    if (state.measured !== state.facts) measure(state, engine);
  }

  /** Right videos at 1 and 5, and all that count. While a weight is dragged, the sum of the others is kept. */
  function fused(state, engine, active) {
    const { fuser, labels, unknown, total, rest } = engine;
    const dragged = active.find((member) => member.at === state.dragged);
    const others = active.filter((member) => member !== dragged);
    if (!dragged || !state.others) {
      fuser.sum(rest, others, state.probabilities);
      state.others = true;
    }
    if (dragged) fuser.sum(total, [dragged], state.probabilities, rest);
    const rows = fuser.countedRows([...new Set(active.flatMap((member) => member.layers))], labels, unknown);
    return [...fuser.hits(dragged ? total : rest, labels, rows), rows.length];
  }

  const percentOf = (count, videos) => (videos ? `${((100 * count) / videos).toFixed(2)} %` : "unknown");

  function show(state, first, five, videos) {
    const active = state.members.filter((member) => member.ticked && member.weight > 0);
    const sum = active.reduce((total, member) => total + member.weight, 0);
    const best = Math.max(...active.filter((member) => member.scored).map((member) => (100 * member.hits[1]) / member.scored));
    const gain = (100 * first) / videos - best;
    state.answer.replaceChildren(
      h("dl", { class: "figures" },
        h("div", {}, h("dt", {}, "Top-1"), h("dd", { class: "top1" }, percentOf(first, videos))),
        h("div", {}, h("dt", {}, "Top-5"), h("dd", { class: "top5" }, percentOf(five, videos)))),
      h("p", {}, `${counted(first)} and ${counted(five)} of ${counted(videos)} videos are right.`,
        active.length > 1 && Number.isFinite(gain) ? ` Top-1 is ${gain >= 0 ? "+" : "−"}${Math.abs(gain).toFixed(2)} points from the best of them alone.` : ""),
      h("p", { class: "soft" }, active.map((member) => `${(member.weight / sum).toFixed(3)} × ${plain(member.name)}`).join(" + ")));
  }

  /** Members alone and saved ensembles of which the library has figures. */
  function exactPoints(facts) {
    return [
      ...facts.members.map((member) => ({ ...member, own: [{ ...member, weight: 1, temperature: 1 }] })),
      ...facts.saved.map((saved) => ({ ...saved, own: saved.members.map(([at, weight, temperature]) => ({ ...facts.members[at], weight, temperature })) })),
    ].filter((point) => point.scored);
  }

  /** What this page makes of every member alone and every saved ensemble: how far rounding moves them. */
  function measure(state, engine) {
    const { fuser, labels, unknown } = engine;
    const total = fuser.total();
    const { facts } = state;
    const points = exactPoints(facts);
    const measured = [];
    state.points = null;
    state.measured = facts;
    const next = () => {
      const point = points.shift();
      if (state.measured !== facts || state.facts !== facts) return;
      if (!point) {
        state.points = measured;
        drawSaved(state);
        return;
      }
      fuser.sum(total, point.own, point.space === "probabilities");
      const rows = fuser.countedRows([...new Set(point.own.flatMap((member) => member.layers))], labels, unknown);
      const hits = fuser.hits(total, labels, rows);
      measured.push({ ...point, page: hits.map((count) => (100 * count) / rows.length) });
      window.setTimeout(next);
    };
    next();
  }

  /** The saved points: the library beside the page. */
  function drawSaved(state) {
    const { facts } = state;
    const points = state.points || exactPoints(facts).map((point) => ({ ...point, page: [null, null] }));
    const exact = (point, k) => (100 * point.hits[k]) / point.scored;
    const moved = (at, k) => points.map((point) => (point.page[at] === null ? null : point.page[at] - exact(point, k)));
    const furthest = Math.max(0, ...[...moved(0, 1), ...moved(1, 5)].map((value) => Math.abs(value || 0)));
    const signed = (column) => ({ ...column, texts: column.numbers.map((number) => (number === null ? "-" : `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(2)}`)) });
    const table = drawnTable("Every member alone and every saved ensemble: the library's exact figures, and those of this page", [
      { key: "name", title: "Result", kind: "text", texts: points.map((point) => point.name), numbers: null },
      { ...figures("Top-1, library", points.map((point) => exact(point, 1))), key: "exact1" },
      { ...figures("Top-1, page", points.map((point) => point.page[0])), key: "page1" },
      signed({ ...figures("Difference", moved(0, 1)), key: "moved1" }),
      { ...figures("Top-5, library", points.map((point) => exact(point, 5))), key: "exact5" },
      { ...figures("Top-5, page", points.map((point) => point.page[1])), key: "page5" },
      signed({ ...figures("Difference", moved(1, 5)), key: "moved5" }),
    ]);
    const buttons = facts.saved.map((saved) => h("button", { type: "button", onclick: () => { take(state, saved); build(state); changed(state); } }, saved.name));
    const words = state.points
      ? `Rounding to ${facts.levels} steps moves top-1 and top-5 of these ${points.length} results by at most ${furthest.toFixed(2)} points.`
      : `Scores are rounded to ${facts.levels} steps; how far that moves the figures is counted when this part is in view.`;
    state.saved.replaceChildren(
      buttons.length ? h("div", { class: "controls presets no-print", role: "group", "aria-label": "Saved ensembles" }, h("span", { class: "soft" }, "Saved ensembles:"), ...buttons) : "",
      table, h("p", { class: "soft moved" }, words,
        facts.crops ? " Probabilities of several crops are those of their mean scores." : ""));
  }

  return { id: "playground", render, show: (root, split, parameters) => open(states.get(root), parameters) };
})());
