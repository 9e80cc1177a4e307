// The best classes of every result for the selected video.

details.register({
  id: "predictions",
  order: 20,
  async render(root, split, video, state) {
    const { videos } = state;
    if (!videos.classes) return;
    const label = videos.labels ? videos.labels[video] : videos.unknown;
    const shown = filters.shownResult(split, state.parameters);
    const rows = split.results.map((_, row) => row).filter((row) => split.results[row].predictions >= 0);
    rows.sort((one, other) => Number(other === shown) - Number(one === shown));
    root.append(h("p", { class: "soft" }, cheapest(split, videos, video)), h("h4", {}, "Best classes"), h("div", { class: "cards" }, ...rows.map((row) => card(split, videos, video, row, label))));
  },
});

/** The cheapest result that has a video right. */
function cheapest(split, videos, video) {
  const known = split.results.filter((result) => result.gflops !== null);
  const right = known.filter((result) => videos.ranks[split.results.indexOf(result) * split.videos + video] === 0);
  right.sort((one, other) => one.gflops - other.gflops);
  if (!known.length) return "";
  return right.length ? `Cheapest result that is right: ${plain(right[0].name)}, ${right[0].gflops.toFixed(2)} GFLOPs.` : "No result of known cost is right.";
}

function card(split, videos, video, row, label) {
  const { name, predictions } = split.results[row];
  const places = videos.classes.shape[2];
  const start = (predictions * split.videos + video) * places;
  const rank = videos.ranks[row * split.videos + video];
  const verdict = rank === videos.unknown ? "" : rank === 0 ? "right" : "wrong";
  const word = verdict === "wrong" ? (rank < places ? `wrong, class at ${rank + 1}` : "wrong") : verdict;
  const items = [];
  for (let place = 0; place < places; place++) {
    const number = videos.classes[start + place];
    if (number === videos.unknown) continue;
    const bar = h("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", String(Math.min(1, videos.permille[start + place] / 1000)));
    items.push(h("li", { class: number === label ? "true" : null }, bar, h("span", { class: "name" }, videos.names[number] || `class ${number}`),
      h("span", { class: "value" }, percent(videos.permille[start + place]))));
  }
  return h("section", { class: `card ${verdict}`, "aria-label": plain(name) },
    h("h5", {}, name, " ", h("span", { class: "verdict" }, word)), items.length ? h("ol", {}, ...items) : h("p", {}, "no score"));
}
