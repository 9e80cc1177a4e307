// Tables that scripts draw from what `table_json` wrote.

/** The raw text of a cell, for links: what is shown may have marks escaped. */
function rawText(column, row) {
  return column.names ? column.names[row] : column.texts[row];
}

/**
 * A sortable table.
 * @param {string} caption
 * @param {{key: string, title: string, kind: string, texts: string[], numbers: (number|null)[]|null, names?: string[]}[]} columns
 * @param {(row: number, key: string) => (string|null)} [link] address of a cell
 * @param {(row: number, key: string) => (string|null)} [look] class of a cell
 */
function drawnTable(caption, columns, link, look) {
  const count = columns.length ? columns[0].texts.length : 0;
  const body = h("tbody", {});
  for (let row = 0; row < count; row++) {
    body.append(h("tr", {}, ...columns.map((column) => {
      const number = column.numbers ? column.numbers[row] : null;
      const address = link && link(row, column.key);
      const value = h("span", { class: `value ${(look && look(row, column.key)) || ""}` }, column.texts[row]);
      return h("td", { class: `${column.kind} ${column.key}`, "data-key": column.key, "data-raw": number },
        address ? h("a", { href: address }, value) : value);
    })));
  }
  const heads = columns.map((column) => h("th", { scope: "col", class: column.kind, "data-key": column.key }, column.title || column.key));
  const table = h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, ...heads)), body);
  sortable(table);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": plain(caption) }, table);
}
