// The clip browser.
panels.register({
  id: "clips",
  async render(root, split) {
    const ids = await split.array("ids");
    root.append(h("p", {}, `${counted(ids.length)} videos`));
  },
});
