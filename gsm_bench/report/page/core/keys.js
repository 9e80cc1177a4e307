// Keyboard shortcuts, and the list of them that ? opens.

const keys = (() => {
  /** @type {Map<string, {what: string, run: (event: KeyboardEvent) => (void|false)}>} */
  const known = new Map();

  /**
   * Add a shortcut.
   * @param {string} key as in KeyboardEvent.key
   * @param {string} what it does
   * @param {(event: KeyboardEvent) => (void|false)} run returns false where the key is not meant for it
   */
  function register(key, what, run) {
    known.set(key, { what, run });
  }

  function typing(target) {
    return target instanceof Element && target.closest("input:not([type=checkbox]):not([type=range]), select, textarea");
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (typing(event.target) && event.key !== "Escape") return;
    const shortcut = known.get(event.key);
    if (!shortcut) return;
    if (shortcut.run(event) !== false) event.preventDefault();
  });

  function show() {
    const rows = [...known].map(([key, { what }]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]).flat();
    const dialog = h("dialog", { "aria-label": "Keyboard shortcuts" }, h("h2", {}, "Keyboard shortcuts"),
      h("dl", { class: "keys" }, ...rows), h("button", { type: "button", onclick: () => dialog.close() }, "Close"));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  register("?", "this list", show);
  return { register };
})();
