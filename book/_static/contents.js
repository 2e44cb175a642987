// The contents at the right follow the reader: the entry of the section being read is marked, and its subsections open.
// The theme's own way (Bootstrap's scroll spy) loses the reader in the last third of a long page.
document.addEventListener("DOMContentLoaded", () => {
  document.body.removeAttribute("data-bs-spy");
  const entries = [...document.querySelectorAll(".bd-toc-nav a.nav-link")]
    .map((link) => ({ link, section: document.getElementById(decodeURIComponent(link.hash.slice(1))) }))
    .filter((entry) => entry.section);
  if (entries.length === 0) return;
  const box = document.querySelector(".bd-sidebar-secondary");
  let current = null;

  function read() {
    const line = window.innerHeight / 3;
    const atEnd = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2;
    const passed = entries.filter((entry) => entry.section.getBoundingClientRect().top <= line);
    const now = atEnd ? entries.at(-1) : passed.at(-1);
    if (now === current) return;
    current = now;
    for (const { link } of entries) {
      const open = now !== undefined && link.parentElement.contains(now.link);
      link.classList.toggle("active", open);
      if (link === now?.link) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    show(now?.link);
  }

  function show(link) {
    if (!link) return;
    const at = link.getBoundingClientRect();
    const frame = box.getBoundingClientRect();
    if (at.top < frame.top + 60 || at.bottom > frame.bottom - 60) box.scrollTop += at.top - frame.top - frame.height / 2;
  }

  let waiting = false;
  window.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      read();
    });
  }, { passive: true });
  read();
});
