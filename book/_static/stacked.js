// On a phone a table is read row by row, as cards (stacked.css): each cell knows the name of its column.
// Columns of numbers are compared, and names of the reference are few and short: they stay columns.
document.addEventListener("DOMContentLoaded", () => {
  const tables = document.querySelectorAll(".bd-article .pst-scrollable-table-container > table:not(.numbers, .api-summary)");
  for (const table of tables) {
    if (!table.tHead) continue;
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => (cell.dataset.column = names[i]));
    table.classList.add("stacked");
  }
});
