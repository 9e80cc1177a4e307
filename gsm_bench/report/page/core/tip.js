// A hint beside the pointer or the focused mark of a chart.

const tip = (() => {
  const box = h("div", { class: "tip", role: "presentation", hidden: true });
  document.body.append(box);

  /** Show a text at a place of the page. @param {string} text @param {number} x @param {number} y */
  function show(text, x, y) {
    box.textContent = plain(text);
    box.hidden = false;
    const width = box.offsetWidth;
    const left = Math.max(8, Math.min(x + 14, document.documentElement.clientWidth - width - 8));
    box.style.left = `${left + window.scrollX}px`;
    box.style.top = `${y + window.scrollY + 16}px`;
  }

  function hide() {
    box.hidden = true;
  }

  /** Give the marks of a chart hints in place of their titles. @param {Element} chart */
  function attach(chart) {
    chart.querySelectorAll(".point").forEach((point) => {
      const title = point.querySelector("title");
      const text = point.getAttribute("aria-label");
      if (title) title.remove();
      point.addEventListener("mouseenter", (event) => show(text, event.clientX, event.clientY));
      point.addEventListener("mouseleave", hide);
      point.addEventListener("focus", () => {
        const place = point.getBoundingClientRect();
        show(text, place.right, place.bottom);
      });
      point.addEventListener("blur", hide);
    });
  }

  return { show, hide, attach };
})();
