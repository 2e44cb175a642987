// Browsers open what lies on the disk and do not save it: there, the source of a page comes as a script and is saved from memory.
if (window.location.protocol === "file:") {
  window.saveSource = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text]));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".btn-download-source-button");
    if (!button) return;
    event.preventDefault();
    const script = document.createElement("script");
    script.src = button.href + ".js";
    document.head.append(script);
  });
}
