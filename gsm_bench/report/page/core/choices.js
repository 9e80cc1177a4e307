// Form controls that are made of data.

/**
 * A labelled menu.
 * @param {string} label
 * @param {[string, string][]} options value and text
 * @param {string} value
 * @param {(value: string) => void} changed
 */
function menu(label, options, value, changed) {
  const select = h("select", { onchange: () => changed(select.value) },
    ...options.map(([own, text]) => h("option", { value: own }, text)));
  select.value = value;
  return h("label", { class: "field" }, h("span", {}, label), select);
}

/** A labelled number between 0 and 100, empty for none. */
function percentField(label, value, changed) {
  const input = h("input", { type: "number", min: "0", max: "100", step: "any", inputmode: "decimal", value,
    onchange: () => changed(input.value) });
  return h("label", { class: "field narrow" }, h("span", {}, label), input);
}
