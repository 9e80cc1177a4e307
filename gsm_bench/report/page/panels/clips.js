// The videos: filters, a list that draws only the rows in view, and one video in detail.

panels.register((() => {
  const ROW_PX = 52;
  const SPARE = 6;
  const HEIGHT_PX = 672; // of the list until it is laid out: to ask would lay out the page
  /** @type {Map<HTMLElement, any>} */
  const states = new Map();

  async function render(root, split) {
    const state = { root, split, parameters: new URLSearchParams(), rows: new Uint32Array(0), at: -1, videos: null, drawn: "", top: 0, height: HEIGHT_PX };
    states.set(root, state);
    build(state);
    const { section, parameters } = nav.asked();
    await apply(state, section === "clips" ? parameters : new URLSearchParams());
  }

  function build(state) {
    state.form = h("form", { class: "filters", role: "search", "aria-label": "Filter videos", onsubmit: (event) => event.preventDefault() });
    state.count = h("p", { class: "count", role: "status" });
    state.sizer = h("div", { class: "sizer", role: "none" });
    state.list = h("div", { class: "list", role: "listbox", tabindex: "0", "aria-label": "Videos" }, state.sizer);
    state.video = h("article", { class: "video", tabindex: "0", "aria-label": "Selected video" });
    state.browser = h("div", { class: "browser" }, state.list, state.video);
    state.root.replaceChildren(state.form, state.count, state.browser);
    state.list.addEventListener("scroll", () => { state.top = state.list.scrollTop; draw(state); }, { passive: true });
    state.list.addEventListener("keydown", (event) => pressed(state, event));
    state.list.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) select(state, Number(row.dataset.at));
    });
    new ResizeObserver(([entry]) => { state.height = entry.contentRect.height; draw(state); }).observe(state.list);
  }

  /** Show what an address asks for, unless something else is asked for while its arrays are read. */
  async function apply(state, parameters) {
    const { split } = state;
    state.asked = state.parameters = parameters;
    const task = taskOf(split, parameters);
    if (!state.videos || state.videos.task !== task) {
      state.videos = await filters.load(split, task);
      if (!filters.asksForPredictions(parameters)) setTimeout(() => addPredictions(state, state.videos), 0);
    }
    if (filters.asksForPredictions(parameters)) await filters.complete(split, state.videos);
    if (state.asked !== parameters) return;
    state.parameters = parameters;
    state.rows = filters.matching(split, state.videos, parameters);
    const wanted = parameters.get("video");
    const video = wanted === null ? -1 : state.videos.ids.indexOf(wanted);
    const place = video < 0 ? -1 : state.rows.indexOf(video);
    state.browser.classList.toggle("chosen", place >= 0);
    form(state);
    counts(state);
    state.sizer.style.height = `${state.rows.length * ROW_PX}px`;
    state.drawn = "";
    state.at = -1;
    if (place < 0) scrollTo(state, 0);
    select(state, place >= 0 ? place : 0, true);
  }

  /** The list is usable before the predictions are there; then it shows them, too. */
  async function addPredictions(state, videos) {
    await filters.complete(state.split, videos);
    if (state.videos !== videos) return;
    state.drawn = "";
    draw(state);
    if (!state.later) detail(state);
  }

  const taskOf = (split, parameters) => {
    const asked = parameters.get("task");
    return split.tasks.includes(asked) ? asked : split.tasks[split.tasks.length - 1];
  };

  /** Change some parameters and keep the others. @param {any} state @param {Object<string, string|null>} changes */
  function change(state, changes) {
    const parameters = new URLSearchParams(state.parameters);
    parameters.delete("video");
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") parameters.delete(name);
      else parameters.set(name, value);
    }
    nav.go("clips", parameters, true);
    apply(state, parameters);
  }

  /** The fields: made once for a task, since menus of hundreds of classes take long; then only their values change. */
  function form(state) {
    if (state.formTask !== state.videos.task) {
      state.formTask = state.videos.task;
      const fields = fieldsOf(state);
      state.controls = fields.map(([name, label]) => [name, label.lastChild]);
      state.form.replaceChildren(...fields.map(([, label]) => label));
    }
    for (const [name, control] of state.controls) {
      const value = valueOf(state, name);
      if (control.value !== value && (control !== document.activeElement || control instanceof HTMLSelectElement)) control.value = value;
    }
  }

  /** What a field shows. @param {any} state @param {string} name of a parameter */
  function valueOf(state, name) {
    const { split, parameters, videos } = state;
    if (name === "task") return videos.task;
    if (name === "by") return split.results[filters.shownResult(split, parameters)].name;
    return parameters.get(name) || "";
  }

  /** Names of parameters with their fields. @returns {[string, HTMLElement][]} */
  function fieldsOf(state) {
    const { split, videos } = state;
    const results = split.results.map((result) => [result.name, result.name]);
    const predicting = split.results.filter((result) => result.predictions >= 0).map((result) => [result.name, result.name]);
    const classes = videos.names.map((name) => [name, plain(name)]).sort((one, other) => collator.compare(one[1], other[1]));
    const on = (name) => (text) => change(state, { [name]: text });
    const search = h("input", { type: "search", name: "q", placeholder: "id or class", autocomplete: "off",
      oninput: () => change(state, { q: search.value }) });
    const choice = (name, label, options) => [name, menu(label, options, "", on(name))];
    const fields = [
      ["q", h("label", { class: "field wide" }, h("span", {}, "Search"), search)],
      split.tasks.length > 1 && choice("task", "Task", split.tasks.map((task) => [task, task])),
      choice("right", "Right by", [["", "any"], ...results]),
      choice("wrong", "Wrong by", [["", "any"], ...results]),
      classes.length && choice("class", "Class", [["", "all"], ...classes]),
      predicting.length && choice("by", "Predictions of", predicting),
      classes.length && predicting.length && choice("predicted", "Predicted as", [["", "all"], ...classes]),
      predicting.length && ["from", percentField("Confidence from %", "", on("from"))],
      predicting.length && ["to", percentField("to %", "", on("to"))],
      choice("solved", "Right by at most",
        [["", "any number"], ...[...Array(videos.judges).keys()].map((count) => [String(count), `${count} of ${videos.judges}`])]),
      choice("sort", "Order", [["", "as listed"], ["hard", "fewest right first"], ["unsure", "least confident first"], ["sure", "most confident first"]]),
    ];
    return fields.filter(Boolean);
  }

  function counts(state) {
    const { rows, split, parameters } = state;
    const active = [...parameters].filter(([name]) => !["video", "task", "by", "sort", "split"].includes(name));
    const named = [...parameters.getAll("right"), ...parameters.getAll("wrong"), ...parameters.getAll("by")];
    const absent = named.filter((name) => filters.rowOf(split, name) < 0);
    const swap = parameters.get("right") !== null || parameters.get("wrong") !== null;
    state.count.replaceChildren(h("strong", {}, counted(rows.length)), ` of ${counted(split.videos)} videos`,
      ...active.map(([name, value]) => chip(state, name, value)),
      swap ? h("button", { type: "button", class: "quiet", onclick: () => change(state, { right: parameters.get("wrong"), wrong: parameters.get("right") }) },
        "Swap right and wrong") : "",
      active.length > 1 ? h("button", { type: "button", class: "quiet", onclick: () => clear(state) }, "Clear all") : "",
      absent.length ? h("span", { class: "problem" }, `This report has no result ${absent.join(", ")}.`) : "");
  }

  const WORDS = {
    q: "contains", right: "right by", wrong: "wrong by", class: "class", predicted: "predicted as", from: "confidence from",
    to: "confidence to", bin: "confidence bin", solved: "right by at most", solved_from: "right by at least", k: "within the best",
  };

  function chip(state, name, value) {
    const words = `${WORDS[name] || name} ${plain(value)}`;
    return h("button", { type: "button", class: "chip", title: "Remove this filter", "aria-label": `Remove: ${words}`,
      onclick: () => change(state, { [name]: null }) }, words, h("span", { "aria-hidden": "true" }, " ×"));
  }

  function clear(state) {
    change(state, Object.fromEntries([...state.parameters.keys()].filter((name) => name !== "task" && name !== "split").map((name) => [name, null])));
  }

  /** Draw the rows in view. */
  function draw(state) {
    const { list, rows, sizer } = state;
    const first = Math.max(0, Math.floor(state.top / ROW_PX) - SPARE);
    const last = Math.min(rows.length, Math.ceil((state.top + state.height) / ROW_PX) + SPARE);
    const drawn = `${first} ${last} ${state.at}`;
    if (drawn === state.drawn) return;
    state.drawn = drawn;
    const elements = [];
    for (let at = first; at < last; at++) elements.push(rowElement(state, at));
    sizer.replaceChildren(...elements);
    if (state.at >= first && state.at < last) list.setAttribute("aria-activedescendant", idOf(state, state.at));
    else list.removeAttribute("aria-activedescendant");
  }

  const idOf = (state, at) => `video-${payload.splits.indexOf(state.split)}-${at}`;

  function rowElement(state, at) {
    const { split, videos, rows, parameters } = state;
    const video = rows[at];
    const label = videos.labels ? videos.labels[video] : videos.unknown;
    const first = filters.firstOf(split, videos, parameters);
    const row = filters.shownResult(split, parameters);
    const best = first === null ? videos.unknown : videos.classes[first(video)];
    const rank = row < 0 ? videos.unknown : videos.ranks[row * split.videos + video];
    const verdict = rank === videos.unknown ? "" : rank === 0 ? "right" : "wrong";
    const element = h("div", {
      class: `row ${verdict}`, role: "option", id: idOf(state, at), "data-at": at, "aria-selected": at === state.at ? "true" : "false",
      "aria-setsize": rows.length, "aria-posinset": at + 1,
    },
    h("span", { class: "id" }, videos.ids[video]),
    strip(state, video),
    h("span", { class: "class" }, label === videos.unknown ? "no label" : nameOf(videos, label)),
    h("span", { class: "guess" }, best === videos.unknown ? "no score" : verdict === "wrong" ? nameOf(videos, best) : verdict),
    best === videos.unknown ? null : h("span", { class: "sure" }, percent(videos.permille[first(video)])));
    element.style.transform = `translateY(${at * ROW_PX}px)`;
    return element;
  }

  const nameOf = (videos, number) => videos.names[number] || `class ${number}`;

  /** One mark per result with predictions: filled where it is right. */
  function strip(state, video) {
    const { split, videos } = state;
    const rows = split.results.map((result, row) => (result.predictions >= 0 ? row : -1)).filter((row) => row >= 0);
    const size = 7;
    let right = "";
    let wrong = "";
    rows.forEach((row, at) => {
      const rank = videos.ranks[row * split.videos + video];
      if (rank === videos.unknown) return;
      const box = `M${at * size + 0.5} 0.5h${size - 2}v${size - 2}h-${size - 2}z`;
      if (rank === 0) right += box; else wrong += box;
    });
    const words = `right by ${videos.solved[video]} of ${videos.judges}`;
    return h("span", { class: "strip" },
      svg("svg", { width: rows.length * size, height: size, "aria-hidden": "true" },
        svg("path", { class: "right", d: right }), svg("path", { class: "wrong", d: wrong })),
      h("span", { class: "hidden" }, words));
  }

  function scrollTo(state, top) {
    if (top === state.top) return;
    state.top = top;
    state.list.scrollTop = top;
  }

  /** Select a place of the list, and show its video. */
  function select(state, place, quiet) {
    const at = Math.max(0, Math.min(state.rows.length - 1, place));
    const same = at === state.at;
    state.at = state.rows.length ? at : -1;
    if (state.at >= 0) {
      const top = at * ROW_PX;
      if (top < state.top) scrollTo(state, top);
      else if (top + ROW_PX > state.top + state.height) scrollTo(state, top + ROW_PX - state.height);
    }
    draw(state);
    if (same && !quiet) return;
    if (!quiet && state.at >= 0) {
      const parameters = new URLSearchParams(state.parameters);
      parameters.set("video", state.videos.ids[state.rows[at]]);
      state.browser.classList.add("chosen"); // print it
      state.parameters = parameters;
      nav.go("clips", parameters, true);
    }
    clearTimeout(state.later); // after the list is painted
    state.later = setTimeout(() => requestAnimationFrame(() => detail(state)), quiet ? 30 : 0);
  }

  async function detail(state) {
    const { split, videos, rows, at } = state;
    state.later = 0;
    if (at < 0) {
      state.video.replaceChildren(h("p", { class: "empty" }, "No video passes these filters."));
      return;
    }
    const video = rows[at];
    const label = videos.labels ? videos.labels[video] : videos.unknown;
    const parts = details.all().map((one) => ({ one, root: h("div", { class: `detail ${one.id}` }) }));
    state.video.replaceChildren(
      h("header", {}, h("h3", {}, videos.ids[video]),
        h("p", {}, label === videos.unknown ? "no label" : nameOf(videos, label), h("span", { class: "soft" }, ` · right by ${videos.solved[video]} of ${videos.judges}`))),
      ...parts.map(({ root }) => root));
    for (const { one, root } of parts) await one.render(root, split, video, state);
  }

  function pressed(state, event) {
    const page = Math.max(1, Math.floor(state.height / ROW_PX) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in moves && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      select(state, state.at + moves[event.key]);
    }
  }

  const current = () => [...states.values()].find((state) => !state.root.closest("main").hidden);

  function move(step) {
    const state = current();
    if (!state) return false;
    if (nav.asked().section !== "clips") state.root.closest("section").scrollIntoView();
    state.list.focus({ preventScroll: true });
    select(state, state.at + step);
  }

  keys.register("j", "next video", () => move(1));
  keys.register("k", "previous video", () => move(-1));
  keys.register("/", "search videos", () => {
    const state = current();
    if (!state) return false;
    state.root.closest("section").scrollIntoView();
    state.form.querySelector("input[type=search]").focus();
  });
  keys.register("Enter", "go to the selected video", () => {
    const state = current();
    if (!state || state.list !== document.activeElement) return false;
    state.video.focus();
  });
  keys.register("Escape", "back to the list of videos", () => {
    const state = current();
    if (!state || !state.root.contains(document.activeElement)) return false;
    state.list.focus();
  });

  return { id: "clips", first: true, render, show: (root, split, parameters) => apply(states.get(root), parameters) };
})());

/** Thousandths as a percentage. @param {number} permille */
function percent(permille) {
  return permille === filters.UNKNOWN_PERMILLE ? "unknown" : `${(permille / 10).toFixed(1)} %`;
}
