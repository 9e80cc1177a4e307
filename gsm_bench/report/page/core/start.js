// Chooses the split, renders its panels, and follows the address.

(() => {
  const mains = [...document.querySelectorAll("main.split")];
  const bar = document.querySelector(".bar-top nav");
  /** @type {Map<string, Promise<void>>} */
  const rendered = new Map();

  /** The section that an address opened: it stays in view while sections above it grow, until someone moves. */
  let pinned = null;
  const stay = () => { if (pinned) pinned.scrollIntoView(); };
  for (const gesture of ["wheel", "touchmove", "pointerdown", "keydown"]) {
    window.addEventListener(gesture, () => { pinned = null; }, { passive: true, capture: true });
  }
  new ResizeObserver(stay).observe(document.body);

  function splitAsked() {
    const key = nav.asked().parameters.get("split");
    return Math.max(0, payload.splits.findIndex((split) => split.key === key));
  }

  const rootOf = (main, id) => main.querySelector(`section[data-panel="${CSS.escape(id)}"] > .panel`);

  /** Render one panel of a split, once. @returns {Promise<void>} */
  function render(at, panel) {
    const key = `${at} ${panel.id}`;
    if (!rendered.has(key)) rendered.set(key, attempt(at, panel));
    return rendered.get(key);
  }

  async function attempt(at, panel) {
    const root = rootOf(mains[at], panel.id);
    if (!root || !panel.render) return;
    try {
      await panel.render(root, payload.splits[at]);
    } catch (error) {
      console.error(error);
      root.append(h("p", { class: "problem", role: "alert" }, `This part could not be shown: ${error.message}`));
    }
  }

  /** Render what is asked for and what is read first; all others when nothing else is to do. */
  async function renderSplit(at, asked) {
    const all = panels.all();
    const first = all.filter((panel) => panel.id === asked || panel.first);
    for (const panel of first) await render(at, panel);
    const rest = all.filter((panel) => !first.includes(panel));
    (async () => {
      for (const panel of rest) {
        await new Promise((resolve) => requestIdleCallback(resolve, { timeout: 2000 }));
        await render(at, panel);
      }
      document.documentElement.dataset.complete = "yes";
    })();
  }

  /** The links of the sections, with the one that is read marked. */
  function fillBar(main) {
    const sections = [...main.querySelectorAll("section[data-panel]")];
    bar.replaceChildren(...sections.map((section) => h("a", { href: nav.link(section.dataset.panel), "data-to": section.dataset.panel },
      section.querySelector("h2").textContent)));
    document.querySelector(".skip").href = `#${sections[0].querySelector("h2").id}`;
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
    const { section, parameters } = nav.asked();
    await renderSplit(at, section);
    const root = section && rootOf(mains[at], section);
    if (root) {
      const panel = panels.get(section);
      if (panel && panel.show) await panel.show(root, payload.splits[at], parameters);
      pinned = root.parentElement;
      pinned.querySelector("h2").focus({ preventScroll: true });
    }
    stay();
    markSection();
    document.documentElement.dataset.shown = location.hash;
  }

  /** Static links lead to their own split. */
  function completeLinks(main) {
    for (const anchor of main.querySelectorAll('a[href^="#"]')) {
      const address = anchor.getAttribute("href");
      if (/[?&]split=/.test(address)) continue;
      anchor.setAttribute("href", `${address}${address.includes("?") ? "&" : "?"}split=${encodeURIComponent(main.dataset.split)}`);
    }
  }

  if (mains.length > 1) mains.forEach(completeLinks);
  window.addEventListener("hashchange", follow);
  document.addEventListener("scroll", markSection, { passive: true });
  follow().then(() => { document.documentElement.dataset.ready = String(Math.round(performance.now())); });
})();
