// Accuracy against cost: hints, and the ensembles that the search tried.

panels.register({
  id: "cost",
  async render(root, split) {
    tip.attach(root);
    const chart = root.querySelector("svg");
    if (!split.has("attempts")) return;
    const { x, y } = split.fact("cost");
    const attempts = await split.array("attempts");
    const flat = (value, log) => (log ? Math.log10(value) : value);
    const place = ([low, high, start, end, log], value) => start + ((end - start) * (flat(value, log) - flat(low, log))) / (flat(high, log) - flat(low, log));
    const points = attempts.gflops.map((gflops, at) => (gflops ? [place(x, gflops), place(y, 100 * attempts.top1[at]), at] : null)).filter(Boolean);
    chart.querySelector(".tried").append(svg("path", { d: points.map(([px, py]) => `M${px.toFixed(1)} ${py.toFixed(1)}h0`).join("") }));
    const choices = split.fact("choices");
    const words = (at) => {
      const members = choices.filter((_, choice) => attempts.members[at][choice] === "1");
      return `${members.join(" + ")}: ${(100 * attempts.top1[at]).toFixed(2)} %, ${attempts.gflops[at].toFixed(2)} GFLOPs`;
    };
    chart.addEventListener("mousemove", (event) => {
      if (event.target.closest(".point")) return;
      const frame = chart.getBoundingClientRect();
      const scale = frame.width / chart.viewBox.baseVal.width;
      const [mx, my] = [(event.clientX - frame.left) / scale, (event.clientY - frame.top) / scale];
      let best = null;
      for (const point of points) {
        const distance = (point[0] - mx) ** 2 + (point[1] - my) ** 2;
        if (distance < 80 && (!best || distance < best[0])) best = [distance, point[2]];
      }
      if (best) tip.show(words(best[1]), event.clientX, event.clientY);
      else tip.hide();
    });
    chart.addEventListener("mouseleave", tip.hide);
  },
});

panels.register({ id: "reliability", render: (root) => tip.attach(root) });
