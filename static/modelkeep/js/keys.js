// Keys that work on every page: / and Ctrl-K search, ? shows them all, g and a letter goes somewhere.
(() => {
  const GO_MS = 1200;
  let going = 0;

  const typing = (target) => target.closest("input, textarea, select, [contenteditable=true]");

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      document.dispatchEvent(new CustomEvent("palette-open"));
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;

    if (Date.now() - going < GO_MS) {
      const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      going = 0;
      if (link) {
        event.preventDefault();
        link.click();
        return;
      }
    }
    if (event.key === "g") going = Date.now();
    else if (event.key === "/") {
      event.preventDefault();
      const search = document.querySelector("main [data-search]");
      if (search) search.focus();
      else document.dispatchEvent(new CustomEvent("palette-open"));
    } else if (event.key === "?") {
      event.preventDefault();
      document.querySelector("[data-show-keys]")?.click();
    }
  });
})();
