// Chooses the split, renders its panels, and follows the address.

(() => {
  const mains = [...document.querySelectorAll("main.split")];
  const bar = document.querySelector(".bar-top nav");
  /** @type {Map<number, Promise<void>>} */
  const rendered = new Map();

  function splitAsked() {
    const key = nav.asked().parameters.get("split");
    return Math.max(0, payload.splits.findIndex((split) => split.key === key));
  }

  const rootOf = (main, id) => main.querySelector(`section[data-panel="${CSS.escape(id)}"] > .panel`);

  async function renderAll(at) {
    for (const panel of panels.all()) {
      const root = rootOf(mains[at], panel.id);
      if (!root || !panel.render) continue;
      try {
        await panel.render(root, payload.splits[at]);
      } catch (error) {
        console.error(error);
        root.append(h("p", { class: "problem", role: "alert" }, `This part could not be shown: ${error.message}`));
      }
    }
  }

  function render(at) {
    if (!rendered.has(at)) rendered.set(at, renderAll(at));
    return rendered.get(at);
  }

  /** The links of the sections, with the one that is read marked. */
  function fillBar(main) {
    const sections = [...main.querySelectorAll("section[data-panel]")];
    bar.replaceChildren(...sections.map((section) => h("a", { href: nav.link(section.dataset.panel), "data-to": section.dataset.panel },
      section.querySelector("h2").textContent)));
    document.querySelectorAll(".splits a").forEach((anchor, at) => {
      if (mains[at] === main) anchor.setAttribute("aria-current", "page");
      else anchor.removeAttribute("aria-current");
    });
  }

  function markSection() {
    const main = mains.find((one) => !one.hidden);
    const sections = [...main.querySelectorAll("section[data-panel]")];
    const passed = sections.filter((section) => section.getBoundingClientRect().top < window.innerHeight / 3);
    const current = (passed.pop() || sections[0]).dataset.panel;
    for (const anchor of bar.children) {
      if (anchor.dataset.to === current) anchor.setAttribute("aria-current", "true");
      else anchor.removeAttribute("aria-current");
    }
  }

  async function follow() {
    const at = splitAsked();
    mains.forEach((main, other) => { main.hidden = other !== at; });
    fillBar(mains[at]);
    await render(at);
    const { section, parameters } = nav.asked();
    const root = section && rootOf(mains[at], section);
    if (root) {
      const panel = panels.get(section);
      if (panel && panel.show) await panel.show(root, payload.splits[at], parameters);
      root.parentElement.scrollIntoView();
      root.parentElement.querySelector("h2").focus({ preventScroll: true });
    }
    markSection();
  }

  window.addEventListener("hashchange", follow);
  document.addEventListener("scroll", markSection, { passive: true });
  follow().then(() => { document.documentElement.dataset.ready = "yes"; });
})();
