// A click on a figure, or Enter, shows it as large as the window; Escape, a click or the button closes it.
// Without JavaScript the link opens the image itself.
document.addEventListener("DOMContentLoaded", () => {
  const images = document.querySelectorAll(".bd-article .cell_output img, .bd-article figure img");
  if (images.length === 0) return;

  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.setAttribute("aria-label", "Enlarged figure");
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  dialog.append(close);
  document.querySelector(".bd-content").append(dialog);
  dialog.addEventListener("click", () => dialog.close());

  for (const image of images) {
    let link = image.closest("a");
    if (!link) {
      link = document.createElement("a");
      link.href = image.src;
      image.replaceWith(link);
      link.append(image);
    }
    link.classList.add("enlarge");
    link.title = "Enlarge the figure";
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab, as for any link
      event.preventDefault();
      const large = image.cloneNode();
      large.removeAttribute("style");
      dialog.replaceChildren(close, large);
      dialog.showModal();
    });
  }
});
