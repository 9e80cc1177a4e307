// The frames of the selected video: those that each model saw, on one time axis, played forwards and backwards.

const player = (() => {
  const PLAYED_MS = 2500;
  const SLOWEST_MS = 400;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {any} the player that keys move */
  let current = null;

  const labelOf = (clip, clips) => {
    const backwards = clip.backwards ? ", backwards" : "";
    if (clip.offset === null) {
      return `${clip.frames} frames${clip.clips > 1 ? `, clip ${clip.clip} of ${clip.clips}` : ""} by ${clip.rule}${backwards}`;
    }
    const several = clips.some((other) => other.frames === clip.frames && other.offset !== clip.offset);
    return `${clip.frames} frames${several ? `, from tick ${clip.offset}` : ""}${backwards}`;
  };

  async function render(root, split, video) {
    stop();
    current = null;
    const facts = split.fact("frames");
    if (!facts) return;
    const shown = await pictures.load(split, video);
    if (!root.isConnected) return; // another video is shown by now
    root.append(h("h4", {}, "Frames that each model saw"));
    if (shown.problem) root.append(h("p", { class: "placeholder" }, shown.problem));
    if (shown.animation) root.append(self(shown));
    if (!shown.count) return;
    const rows = facts.clips.map((clip, at) => ({ clip, label: labelOf(clip, facts.clips), numbers: shown.clips[at] }));
    const state = { shown, rows, root, row: -1, at: 0, timer: 0, step: 1 };
    build(state);
    current = state;
  }

  /** A picture that moves by itself, for browsers that cannot draw single frames of it. */
  function self(shown) {
    const image = () => h("img", { class: "self", src: shown.animation, alt: "The frames, one after the other" });
    if (!calm.matches) return image();
    const button = h("button", { type: "button", onclick: () => button.replaceWith(image()) }, "Play the frames");
    return button;
  }

  function build(state) {
    const { shown, rows, root } = state;
    state.axis = h("div", { class: "axis" }, ...rows.map((row) => line(state, row)));
    if (shown.draw) {
      state.playhead = h("div", { class: "playhead", "aria-hidden": "true" });
      state.axis.append(state.playhead);
      root.append(h("div", { class: "player", role: "group", "aria-label": "Frames" }, stage(state), state.axis));
      go(state, 0);
    } else {
      root.append(h("details", {}, h("summary", {}, `Which of its ${counted(shown.count)} frames each model saw`), state.axis));
    }
    new ResizeObserver(() => root.isConnected && draw(state)).observe(state.axis);
  }

  /** The frame that is shown, with its controls. */
  function stage(state) {
    const { shown, rows } = state;
    const options = [["-1", "all models"], ...rows.map((row, at) => [String(at), row.label])];
    state.screen = h("canvas", { class: "screen", role: "img", width: 2 * shown.width, height: 2 * shown.height });
    state.slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "Frame", oninput: () => go(state, Number(state.slider.value)) });
    state.status = h("p", { class: "status soft" });
    state.forwards = h("button", { type: "button", "aria-pressed": "false", onclick: () => toggle(state, 1) }, "▶ Play");
    state.back = h("button", { type: "button", "aria-pressed": "false", onclick: () => toggle(state, -1) }, "◀ Backwards");
    const controls = h("div", { class: "controls" }, state.back, state.forwards,
      h("button", { type: "button", "aria-label": "Previous frame", onclick: () => move(state, -1) }, "‹"),
      h("button", { type: "button", "aria-label": "Next frame", onclick: () => move(state, 1) }, "›"),
      menu("Frames of", options, "-1", (value) => { state.row = Number(value); go(state, 0); }));
    return h("div", { class: "stage" }, state.screen, h("div", { class: "beside no-print" }, controls, state.slider, state.status));
  }

  /** A row of the axis: what one or several models saw. */
  function line(state, row) {
    const names = row.clip.names.map(plain).join(", ");
    row.canvas = h("canvas", { role: "img", "aria-label": `${row.label}, ${names}: numbers ${row.numbers.join(" ")}` });
    row.mark = h("div", { class: "mark", hidden: true, "aria-hidden": "true" });
    const element = h("div", { class: "line" }, h("p", {}, row.label, h("span", { class: "soft" }, ` · ${names}`)), h("div", { class: "track" }, row.canvas, row.mark));
    if (state.shown.draw) {
      element.lastChild.addEventListener("click", (event) => {
        const frame = event.currentTarget.getBoundingClientRect();
        const wanted = ((event.clientX - frame.left) / frame.width) * state.shown.count + 0.5;
        const played = playedOf(state);
        go(state, played.reduce((best, number, at) => (Math.abs(number - wanted) < Math.abs(played[best] - wanted) ? at : best), 0));
      });
    }
    return element;
  }

  const DOT_PX = 3;

  /** Draw every row at its width: a picture in each tick, and below it a dot at the time of its frame. */
  function draw(state) {
    const { shown, rows, axis } = state;
    const style = getComputedStyle(axis);
    for (const row of rows) {
      const width = row.canvas.parentElement.clientWidth;
      if (!width) continue;
      const ratio = window.devicePixelRatio || 1;
      const tick = width / row.clip.frames;
      row.wide = shown.draw ? Math.min(shown.width, tick - 1) : 0;
      const high = shown.draw ? (row.wide * shown.height) / shown.width + 2 : 2;
      row.canvas.width = Math.round(width * ratio);
      row.canvas.height = Math.round((high + 2 * DOT_PX) * ratio);
      row.canvas.style.height = `${high + 2 * DOT_PX}px`;
      row.mark.style.height = `${high - 2}px`;
      const context = row.canvas.getContext("2d");
      context.scale(ratio, ratio);
      context.fillStyle = style.getPropertyValue("--soft");
      row.numbers.forEach((number, at) => {
        const left = at * tick + (tick - row.wide) / 2;
        if (shown.draw) shown.draw(context, shown.numbers.indexOf(number), left, 0, row.wide, high - 2);
        context.beginPath();
        context.arc(((number - 0.5) / shown.count) * width, high + DOT_PX, DOT_PX / 2, 0, 2 * Math.PI);
        context.fill();
      });
    }
    if (shown.draw) mark(state);
  }

  const playedOf = (state) => (state.row < 0 ? state.shown.numbers : state.rows[state.row].numbers);

  /** Show a place of the frames that are played. */
  function go(state, at) {
    const played = playedOf(state);
    const { shown, screen, slider, status } = state;
    state.at = (at + played.length) % played.length;
    const number = played[state.at];
    const context = screen.getContext("2d");
    shown.draw(context, shown.numbers.indexOf(number), 0, 0, screen.width, screen.height);
    const seen = state.rows.filter((row) => row.numbers.includes(number)).map((row) => row.label);
    const words = `Frame ${number} of ${shown.count}`;
    screen.setAttribute("aria-label", words);
    slider.max = String(played.length - 1);
    slider.value = String(state.at);
    slider.setAttribute("aria-valuetext", words);
    status.replaceChildren(h("strong", {}, words), shown.bad[number] ? `: ${plain(shown.bad[number])}` : `, seen with ${seen.join("; ")}`);
    mark(state);
  }

  function mark(state) {
    const number = playedOf(state)[state.at];
    state.playhead.style.left = `${(100 * (number - 0.5)) / state.shown.count}%`;
    state.rows.forEach((row, at) => {
      const place = row.numbers.indexOf(number);
      row.mark.hidden = place < 0;
      row.canvas.closest(".line").classList.toggle("played", at === state.row);
      if (place < 0 || !row.wide) return;
      const tick = row.canvas.parentElement.clientWidth / row.clip.frames;
      row.mark.style.left = `${place * tick + (tick - row.wide) / 2}px`;
      row.mark.style.width = `${row.wide}px`;
    });
  }

  /** One frame on or back, which ends the playing. */
  function move(state, step) {
    stop();
    go(state, state.at + step);
  }

  /** Play in a direction, or stop. With reduced motion: slowly, and once. */
  function toggle(state, step) {
    const stopping = state.timer && state.step === step;
    stop();
    if (stopping) return;
    state.step = step;
    const played = playedOf(state).length;
    const last = step > 0 ? played - 1 : 0;
    if (calm.matches && state.at === last) go(state, played - 1 - last);
    state.timer = window.setInterval(() => {
      if (!state.root.isConnected || (calm.matches && state.at === last)) stop();
      else go(state, state.at + step);
    }, calm.matches ? SLOWEST_MS : Math.min(SLOWEST_MS, PLAYED_MS / played));
    pressed(state);
  }

  function stop() {
    if (!current) return;
    window.clearInterval(current.timer);
    current.timer = 0;
    pressed(current);
  }

  function pressed(state) {
    if (!state.forwards) return;
    const playing = (step) => Boolean(state.timer) && state.step === step;
    state.forwards.setAttribute("aria-pressed", String(playing(1)));
    state.back.setAttribute("aria-pressed", String(playing(-1)));
    state.forwards.textContent = playing(1) ? "❚❚ Pause" : "▶ Play";
    state.back.textContent = playing(-1) ? "❚❚ Pause" : "◀ Backwards";
  }

  const onCurrent = (run) => () => {
    if (!current || !current.screen || !current.root.isConnected) return false;
    run(current);
  };
  keys.register("p", "play the frames, or pause", onCurrent((state) => toggle(state, 1)));
  keys.register("b", "play the frames backwards, or pause", onCurrent((state) => toggle(state, -1)));
  keys.register(".", "next frame", onCurrent((state) => move(state, 1)));
  keys.register(",", "previous frame", onCurrent((state) => move(state, -1)));

  return { id: "frames", order: 10, render };
})();

details.register(player);
