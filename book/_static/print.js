// Paper is white and cannot be clicked: light theme, everything unfolded, formulas and tables as narrow as the sheet.
(() => {
  const SHEET = 672; // CSS pixels between the margins of A4 (print.css)
  let undo = [];

  function change(element, name, value) {
    const before = element.getAttribute(name);
    undo.push(() => (before === null ? element.removeAttribute(name) : element.setAttribute(name, before)));
    element.setAttribute(name, value);
  }

  function narrow(selector, inner) {
    for (const box of document.querySelectorAll(selector)) {
      const width = box.querySelector(inner)?.getBoundingClientRect().width ?? 0;
      if (width > SHEET) change(box, "style", `zoom: ${SHEET / width}`);
    }
  }

  window.addEventListener("beforeprint", () => {
    if (undo.length) return;
    change(document.documentElement, "data-theme", "light");
    document.querySelectorAll(".bd-article details:not(.above-input)").forEach((e) => change(e, "open", ""));
    narrow(".bd-article div.math", "mjx-math");
    narrow(".bd-article .pst-scrollable-table-container, .bd-article div.cell_output", "table");
  });

  window.addEventListener("afterprint", () => {
    undo.reverse().forEach((step) => step());
    undo = [];
  });
})();
