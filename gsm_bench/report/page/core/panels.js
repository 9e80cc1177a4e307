// Scripts of sections, and of the parts that a selected video shows.

/**
 * @typedef {Object} Panel
 * @property {string} id of its section
 * @property {boolean} [first] render before the page is ready; others follow when nothing else is to do
 * @property {(root: HTMLElement, split: Split) => (void|Promise<void>)} [render]
 * @property {(root: HTMLElement, split: Split, parameters: URLSearchParams) => void} [show] the address asks for it
 */
const panels = (() => {
  /** @type {Map<string, Panel>} */
  const known = new Map();
  return {
    /** @param {Panel} panel */
    register: (panel) => known.set(panel.id, panel),
    get: (id) => known.get(id),
    all: () => [...known.values()],
  };
})();

/**
 * @typedef {Object} Detail part of what is shown of a selected video
 * @property {string} id
 * @property {number} order lower ones come first: frames 10, predictions 20, facts 30
 * @property {(root: HTMLElement, split: Split, video: number) => (void|Promise<void>)} render
 */
const details = (() => {
  /** @type {Detail[]} */
  const known = [];
  return {
    /** @param {Detail} detail */
    register(detail) {
      known.push(detail);
      known.sort((one, other) => one.order - other.order);
    },
    all: () => known,
  };
})();
