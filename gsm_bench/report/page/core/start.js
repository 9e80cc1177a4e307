// Chooses the split, renders its panels, and follows the address.

const start = (() => {
  const mains = [...document.querySelectorAll("main.split")];
  const rendered = new Set();

  function splitAsked() {
    const key = nav.asked().parameters.get("split");
    return Math.max(0, payload.splits.findIndex((split) => split.key === key));
  }

  const rootOf = (main, id) => main.querySelector(`section[data-panel="${id}"] > .panel`);

  async function render(at) {
    if (rendered.has(at)) return;
    rendered.add(at);
    for (const panel of panels.all()) {
      const root = rootOf(mains[at], panel.id);
      if (!root || !panel.render) continue;
      try {
        await panel.render(root, payload.splits[at]);
      } catch (error) {
        root.append(h("p", { class: "problem", role: "alert" }, `This part could not be shown: ${error.message}`));
      }
    }
  }

  async function follow() {
    const at = splitAsked();
    mains.forEach((main, other) => { main.hidden = other !== at; });
    await render(at);
    const { section, parameters } = nav.asked();
    const root = section && rootOf(mains[at], section);
    if (!root) return;
    const panel = panels.get(section);
    if (panel && panel.show) panel.show(root, payload.splits[at], parameters);
    root.parentElement.scrollIntoView();
  }

  window.addEventListener("hashchange", follow);
  return follow().then(() => { document.documentElement.dataset.ready = "yes"; });
})();
