// Accuracy class by class, of one result or of two side by side.

panels.register((() => {
  /** @type {Map<HTMLElement, any>} */
  const states = new Map();

  async function render(root, split) {
    const state = { root, split, a: "", b: "", task: "" };
    states.set(root, state);
    await apply(state, nav.asked().section === "classes" ? nav.asked().parameters : new URLSearchParams());
  }

  async function apply(state, parameters) {
    const { split, root } = state;
    const tasks = split.tasks.filter((task) => split.has(`${task}/per-class`));
    state.task = tasks.includes(parameters.get("task")) ? parameters.get("task") : tasks[tasks.length - 1];
    const tables = await split.array(`${state.task}/per-class`);
    const names = Object.keys(tables);
    state.a = names.includes(parameters.get("a")) ? parameters.get("a") : names[0];
    state.b = names.includes(parameters.get("b")) ? parameters.get("b") : "";
    const go = (changes) => {
      nav.go("classes", { task: state.task, a: state.a, b: state.b, ...changes }, true);
      apply(state, nav.asked().parameters);
    };
    const options = names.map((name) => [name, plain(name)]);
    const tools = h("div", { class: "tools no-print" },
      tasks.length > 1 ? menu("Task", tasks.map((task) => [task, task]), state.task, (task) => go({ task })) : null,
      menu("Result", options, state.a, (a) => go({ a })),
      menu("Against", [["", "nothing"], ...options.filter(([name]) => name !== state.a)], state.b, (b) => go({ b })));
    root.replaceChildren(tools, state.b ? compared(state, tables) : alone(state, tables[state.a]));
  }

  const link = (state, table) => (row, key) => {
    if (!key.startsWith("top1") && key !== "videos") return null;
    const own = { class: rawText(table.columns[0], row), task: state.task };
    return nav.link("clips", key === "videos" ? { ...own, by: state.a } : { ...own, right: key === "top1b" ? state.b : state.a });
  };

  function alone(state, table) {
    const box = drawnTable(`Classes of ${state.a}`, table.columns, link(state, table));
    return box;
  }

  /** Columns of both, and their difference in points. Classes of either that the other lacks stay empty. */
  function compared(state, tables) {
    const [first, second] = [tables[state.a], tables[state.b]];
    const column = (table, key) => table.columns.find((one) => one.key === key);
    const names = (table) => table.columns[0].texts.map((_, row) => rawText(table.columns[0], row));
    const other = new Map(names(second).map((name, row) => [name, row]));
    const rows = names(first).map((name) => other.get(name));
    const tops = column(second, "top1");
    const texts = rows.map((row) => (row === undefined ? "-" : tops.texts[row]));
    const numbers = rows.map((row) => (row === undefined ? null : tops.numbers[row]));
    const differences = numbers.map((value, row) => (value === null ? null : column(first, "top1").numbers[row] - value));
    const columns = [
      column(first, "class"), column(first, "videos"),
      { ...column(first, "top1"), title: `Top-1, ${state.a}` },
      { key: "top1b", title: `Top-1, ${state.b}`, kind: "number", texts, numbers },
      { key: "difference", title: "Difference", kind: "number", numbers: differences,
        texts: differences.map((value) => (value === null ? "-" : `${value < 0 ? "-" : "+"}${Math.abs(100 * value).toFixed(2)}`)) },
    ];
    const look = (row, key) => (key === "difference" && differences[row] ? (differences[row] > 0 ? "up" : "down") : null);
    return drawnTable(`${state.a} against ${state.b}, class by class`, columns, link(state, first), look);
  }

  return { id: "classes", render, show: (root, split, parameters) => apply(states.get(root), parameters) };
})());
