// Results only: one switch hides the code of all chapters; this browser remembers it. Set before the page is drawn, so that nothing jumps.
const RESULTS_ONLY = "results-only";
document.documentElement.toggleAttribute("data-" + RESULTS_ONLY, localStorage.getItem(RESULTS_ONLY) === "yes");

function showWhetherResultsOnly() {
  const on = document.documentElement.hasAttribute("data-" + RESULTS_ONLY);
  document.querySelectorAll(".code-switch").forEach((button) => button.setAttribute("aria-pressed", on));
}

document.addEventListener("DOMContentLoaded", showWhetherResultsOnly);
document.addEventListener("click", (event) => {
  if (!event.target.closest(".code-switch")) return;
  const on = document.documentElement.toggleAttribute("data-" + RESULTS_ONLY);
  localStorage.setItem(RESULTS_ONLY, on ? "yes" : "no");
  showWhetherResultsOnly();
});
