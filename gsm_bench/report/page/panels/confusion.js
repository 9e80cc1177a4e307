// The confusion matrix: a canvas that is read with the pointer or the arrow keys, beside the most confused pairs.

panels.register((() => {
  /** @type {Map<HTMLElement, any>} */
  const states = new Map();

  async function render(root, split) {
    const state = { root, split, row: 0, column: 0 };
    states.set(root, state);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(state));
    await apply(state, nav.asked().section === "confusion" ? nav.asked().parameters : new URLSearchParams());
  }

  async function apply(state, parameters) {
    const { split, root } = state;
    const tasks = split.tasks.filter((task) => split.has(`${task}/confusions`));
    state.task = tasks.includes(parameters.get("task")) ? parameters.get("task") : tasks[tasks.length - 1];
    const tables = await split.array(`${state.task}/confusions`);
    const names = Object.keys(tables);
    state.by = names.includes(parameters.get("by")) ? parameters.get("by") : names[0];
    state.videos = await filters.complete(split, await filters.load(split, state.task));
    state.order = await split.array(`${state.task}/order`);
    count(state);
    const go = (changes) => {
      nav.go("confusion", { task: state.task, by: state.by, ...changes }, true);
      apply(state, nav.asked().parameters);
    };
    const tools = h("div", { class: "tools no-print" },
      tasks.length > 1 ? menu("Task", tasks.map((task) => [task, task]), state.task, (task) => go({ task })) : null,
      menu("Result", names.map((name) => [name, plain(name)]), state.by, (by) => go({ by })));
    root.replaceChildren(tools, h("div", { class: "matrix" }, h("div", {}, canvas(state), state.words), pairs(state, tables[state.by])));
    paint(state);
    say(state);
  }

  /** Videos by true and predicted class, in the order of the matrix. */
  function count(state) {
    const { split, videos, order } = state;
    const places = new Int32Array(videos.names.length).fill(-1);
    order.forEach((number, at) => { places[number] = at; });
    const size = order.length;
    state.counts = new Uint32Array(size * size);
    const parameters = new URLSearchParams({ by: state.by });
    const first = filters.firstOf(split, videos, parameters);
    for (let video = 0; video < split.videos; video++) {
      const [label, best] = [videos.labels[video], videos.classes[first(video)]];
      if (label === videos.unknown || best === videos.unknown) continue;
      state.counts[places[label] * size + places[best]]++;
    }
    state.totals = order.map((_, row) => state.counts.subarray(row * size, (row + 1) * size).reduce((sum, one) => sum + one, 0));
    state.row = Math.min(state.row, size - 1);
    state.column = Math.min(state.column, size - 1);
  }

  function canvas(state) {
    state.words = h("p", { class: "cell", role: "status" });
    state.canvas = h("canvas", { tabindex: "0", role: "application", "aria-label": "Confusion matrix: arrow keys move, Enter opens the videos of a cell" });
    const at = (event) => {
      const frame = state.canvas.getBoundingClientRect();
      const size = state.order.length;
      state.column = Math.max(0, Math.min(size - 1, Math.floor(((event.clientX - frame.left) / frame.width) * size)));
      state.row = Math.max(0, Math.min(size - 1, Math.floor(((event.clientY - frame.top) / frame.height) * size)));
    };
    state.canvas.addEventListener("mousemove", (event) => { at(event); paint(state); say(state); });
    state.canvas.addEventListener("click", (event) => { at(event); open(state); });
    state.canvas.addEventListener("focus", () => paint(state));
    state.canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
      if (event.key === "Enter") open(state);
      if (!(event.key in steps)) return;
      event.preventDefault();
      const size = state.order.length;
      state.row = Math.max(0, Math.min(size - 1, state.row + steps[event.key][0]));
      state.column = Math.max(0, Math.min(size - 1, state.column + steps[event.key][1]));
      paint(state);
      say(state);
    });
    return state.canvas;
  }

  function cellAddress(state, row, column) {
    const name = (place) => state.videos.names[state.order[place]];
    return nav.link("clips", { task: state.task, class: name(row), predicted: name(column), by: state.by });
  }

  const open = (state) => { location.hash = cellAddress(state, state.row, state.column); };

  function say(state) {
    const { row, column, order, videos, counts, totals } = state;
    const number = counts[row * order.length + column];
    const name = (place) => h("strong", {}, videos.names[order[place]]);
    const verdict = row === column ? " predicted right" : [" predicted as ", name(column)];
    state.words.replaceChildren(name(row), ...[verdict].flat(), `: ${counted(number)} of ${counted(totals[row])} videos `,
      number ? h("a", { href: cellAddress(state, row, column) }, "show them") : "");
  }

  function paint(state) {
    const { canvas: element, order, counts, totals } = state;
    const size = order.length;
    if (!size) return;
    const cell = Math.max(1, Math.floor(1024 / size));
    element.width = element.height = size * cell;
    const context = element.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const heat = style.getPropertyValue("--heat").trim();
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const number = counts[row * size + column];
        if (!number) continue;
        context.fillStyle = `rgba(${heat}, ${Math.max(0.08, Math.sqrt(number / totals[row])).toFixed(3)})`;
        context.fillRect(column * cell, row * cell, cell, cell);
      }
    }
    context.strokeStyle = style.getPropertyValue("--series-2").trim();
    context.lineWidth = Math.max(2, cell / 6);
    context.strokeRect(state.column * cell, state.row * cell, cell, cell);
  }

  function pairs(state, table) {
    const column = (key) => table.columns.find((one) => one.key === key);
    const address = (row, key) => (key === "videos"
      ? nav.link("clips", { task: state.task, class: rawText(column("true"), row), predicted: rawText(column("predicted"), row), by: state.by }) : null);
    return h("div", {}, drawnTable(`Most confused by ${state.by}`, ["true", "predicted", "videos", "of_class"].map(column), address),
      h("ul", { class: "notes" }, ...table.notes.map((note) => h("li", {}, note))));
  }

  return { id: "confusion", render, show: (root, split, parameters) => apply(states.get(root), parameters) };
})());
