// The videos: filters, a list that draws only the rows in view, and one video in detail.

panels.register((() => {
  const ROW_PX = 52;
  const SPARE = 6;
  const MARK_PX = 7;
  const HEIGHT_PX = 672; // of the list until it is laid out: to ask would lay out the page
  /** @type {Map<HTMLElement, any>} */
  const states = new Map();

  async function render(root, split) {
    const state = { root, split, parameters: new URLSearchParams(), rows: new Uint32Array(0), at: -1, videos: null, drawn: "", top: 0, height: HEIGHT_PX, slots: [], judges: judgesOf(split) };
    states.set(root, state);
    build(state);
    const { section, parameters } = nav.asked();
    await apply(state, section === "clips" ? parameters : new URLSearchParams());
  }

  /** Rows of the results that have predictions. */
  const judgesOf = (split) => split.results.map((result, row) => (result.predictions >= 0 ? row : -1)).filter((row) => row >= 0);

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
    if (!state.videos) return; // laid out before the list is read
    const { list, rows } = state;
    const first = Math.max(0, Math.floor(state.top / ROW_PX) - SPARE);
    const last = Math.min(rows.length, Math.ceil((state.top + state.height) / ROW_PX) + SPARE);
    const drawn = `${first} ${last} ${state.at}`;
    if (drawn === state.drawn) return;
    state.drawn = drawn;
    while (state.slots.length > last - first) state.slots.pop().element.remove();
    while (state.slots.length < last - first) state.slots.push(slotOf(state));
    const shown = shownOf(state);
    for (let at = first; at < last; at++) fillSlot(state, state.slots[at - first], at, shown);
    if (state.at >= first && state.at < last) list.setAttribute("aria-activedescendant", idOf(state, state.at));
    else list.removeAttribute("aria-activedescendant");
  }

  const idOf = (state, at) => `video-${payload.splits.indexOf(state.split)}-${at}`;

  /** An empty row of the list. Rows are filled again and again: to make them anew for every filter takes twice as long. */
  function slotOf(state) {
    const parts = Object.fromEntries(["id", "class", "guess", "sure", "hidden"].map((name) => [name, document.createTextNode("")]));
    const span = (name, ...children) => h("span", { class: name }, ...children);
    const [right, wrong] = ["right", "wrong"].map((name) => svg("path", { class: name }));
    const marks = svg("svg", { width: state.judges.length * MARK_PX, height: MARK_PX, "aria-hidden": "true" }, right, wrong);
    const element = h("div", { class: "row", role: "option" }, span("id", parts.id),
      span("strip", marks, span("hidden", parts.hidden)), span("class", parts.class), span("guess", parts.guess), span("sure", parts.sure));
    state.sizer.append(element);
    return { element, right, wrong, parts };
  }

  /** What all rows of a view show: the result with its ranks and predictions. */
  function shownOf(state) {
    const { split, videos, parameters } = state;
    return { first: filters.firstOf(split, videos, parameters), row: filters.shownResult(split, parameters) };
  }

  function fillSlot(state, { element, right, wrong, parts }, at, shown) {
    const { split, videos, rows } = state;
    const video = rows[at];
    const label = videos.labels ? videos.labels[video] : videos.unknown;
    const best = shown.first === null ? videos.unknown : videos.classes[shown.first(video)];
    const rank = shown.row < 0 ? videos.unknown : videos.ranks[shown.row * split.videos + video];
    const verdict = rank === videos.unknown ? "" : rank === 0 ? "right" : "wrong";
    const marks = marksOf(state, video);
    attribute(element, "class", `row ${verdict}`);
    attribute(element, "id", idOf(state, at));
    attribute(element, "data-at", String(at));
    attribute(element, "aria-selected", at === state.at ? "true" : "false");
    attribute(element, "aria-setsize", String(rows.length));
    attribute(element, "aria-posinset", String(at + 1));
    attribute(right, "d", marks.right);
    attribute(wrong, "d", marks.wrong);
    const texts = {
      id: videos.ids[video], hidden: `right by ${videos.solved[video]} of ${videos.judges}`,
      class: label === videos.unknown ? "no label" : nameOf(videos, label),
      guess: best === videos.unknown ? "no score" : verdict === "wrong" ? nameOf(videos, best) : verdict,
      sure: best === videos.unknown ? "" : percent(videos.permille[shown.first(video)]),
    };
    for (const [name, text] of Object.entries(texts)) {
      const safe = plain(text);
      if (parts[name].data !== safe) parts[name].data = safe;
    }
    const place = `translateY(${at * ROW_PX}px)`;
    if (element.style.transform !== place) element.style.transform = place;
  }

  function attribute(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }

  const nameOf = (videos, number) => videos.names[number] || `class ${number}`;

  /** One mark per result with predictions, as paths: of those that are right, and of the others. */
  function marksOf(state, video) {
    const { split, videos } = state;
    let right = "";
    let wrong = "";
    state.judges.forEach((row, at) => {
      const rank = videos.ranks[row * split.videos + video];
      if (rank === videos.unknown) return;
      const box = `M${at * MARK_PX + 0.5} 0.5h${MARK_PX - 2}v${MARK_PX - 2}h-${MARK_PX - 2}z`;
      if (rank === 0) right += box; else wrong += box;
    });
    return { right, wrong };
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
