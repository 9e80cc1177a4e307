// Every static table: sorting.
panels.register({
  id: "results",
  first: true,
  render(root) {
    root.closest("main").querySelectorAll("table[data-table]").forEach(sortable);
  },
});
