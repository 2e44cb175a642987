// Marks the boxes that scroll sideways: for the cue (wide.css), for the keyboard, and for who hears the page.
(() => {
  const BOXES = "pre, div.cell_output, div.math, .pst-scrollable-table-container, mjx-container, a.enlarge";
  const isFormula = (box) => box.localName === "mjx-container";

  // A formula's box also holds what only voices read: its own width counts.
  function measure(box) {
    const inner = box.querySelector(":scope > mjx-math")?.getBoundingClientRect().width ?? box.scrollWidth;
    const hidden = inner - box.clientWidth;
    const scrolls = isFormula(box) || getComputedStyle(box).overflowX !== "visible";
    return { box, hidden: scrolls && hidden > 1 ? hidden : 0, left: box.scrollLeft };
  }

  function mark({ box, hidden, left }) {
    box.classList.toggle("wide", hidden > 0);
    box.classList.toggle("more-left", hidden > 0 && left > 1);
    box.classList.toggle("more-right", hidden > 0 && left < hidden - 1);
    if (hidden === 0 || box.matches("[tabindex='0'], a")) return;
    box.tabIndex = 0;
    if (isFormula(box)) return; // it has a role and a name of its own
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Scrolls sideways");
  }

  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    // All are measured before any is marked: a page is laid out once, not once a box.
    const sizes = new ResizeObserver((entries) => entries.map((entry) => measure(entry.target)).forEach(mark));
    for (const box of document.querySelectorAll(`.bd-article :is(${BOXES})`)) {
      sizes.observe(box);
      box.addEventListener("scroll", () => mark(measure(box)), { passive: true });
    }
  });
})();
