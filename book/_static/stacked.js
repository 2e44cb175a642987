// The cells of a table that a phone shows as cards (stacked.css) know the names of their columns.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll(".bd-article table.stacked")) {
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => (cell.dataset.column = names[i]));
  }
});
