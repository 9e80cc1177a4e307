// Static tables become sortable: a button in each heading, and the order of the file on the third press.

const sortable = (() => {
  const ORDERS = { none: "descending", descending: "ascending", ascending: "none" };

  /** The raw value of a cell: a number where it has one, else its text. @param {HTMLTableCellElement} cell */
  function valueOf(cell) {
    if (!cell) return null;
    return cell.dataset.raw === undefined ? cell.textContent.trim() : Number(cell.dataset.raw);
  }

  /** Unknown values come last in either order. */
  function compare(one, other, sign) {
    const unknown = (value) => value === null || value === "-" || value === "" || Number.isNaN(value);
    if (unknown(one) || unknown(other)) return Number(unknown(one)) - Number(unknown(other));
    if (typeof one === "number" && typeof other === "number") return sign * (one - other);
    return sign * collator.compare(String(one), String(other));
  }

  /** Make a table sortable. @param {HTMLTableElement} table */
  function enhance(table) {
    const heads = [...table.tHead.rows[0].cells];
    const original = [...table.tBodies].map((body) => ({ body, rows: [...body.rows] }));
    heads.forEach((head, column) => {
      const button = h("button", { type: "button", class: "sort" }, head.textContent);
      button.addEventListener("click", () => {
        const order = ORDERS[head.getAttribute("aria-sort") || "none"];
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (order !== "none") head.setAttribute("aria-sort", order);
        arrange(original, column, order);
      });
      head.replaceChildren(button);
    });
  }

  function arrange(original, column, order) {
    if (order === "none") {
      original.forEach(({ body, rows }) => body.append(...rows));
      return;
    }
    const sign = order === "ascending" ? 1 : -1;
    const rows = original.flatMap((block) => block.rows);
    rows.sort((one, other) => compare(valueOf(one.cells[column]), valueOf(other.cells[column]), sign));
    original[0].body.append(...rows);
  }

  return enhance;
})();
