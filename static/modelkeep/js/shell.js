// What every page's frame does: menus that close, toasts that leave, focus after a swap.
(() => {
  const TOAST_MS = 6000;

  const dismiss = (toast) => {
    toast.classList.add("is-leaving");
    setTimeout(() => toast.remove(), 300);
  };

  window.modelkeep = {
    toast(text, kind = "info") {
      const toast = document.createElement("p");
      toast.className = `toast toast-${kind}`;
      toast.textContent = text;
      document.getElementById("toasts").append(toast);
      setTimeout(() => dismiss(toast), TOAST_MS);
    },
  };

  document.querySelectorAll(".toast").forEach((toast) => setTimeout(() => dismiss(toast), TOAST_MS));

  document.addEventListener("click", (event) => {
    document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    const opener = event.target.closest("[data-tree-open]");
    if (opener) {
      const open = document.getElementById(opener.getAttribute("aria-controls")).classList.toggle("is-open");
      opener.setAttribute("aria-expanded", String(open));
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  // A link that swapped the object behaves as a page change: the reader starts at the new content.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "main" && event.detail.elt.id !== "main") return;
    const main = document.getElementById("main");
    const panel = document.getElementById("tree-panel");
    if (panel && !panel.contains(document.activeElement)) main.focus({ preventScroll: true });
    if (panel) panel.classList.remove("is-open");
    document.querySelector("[data-tree-open]")?.setAttribute("aria-expanded", "false");
  });

  document.addEventListener("htmx:sendError", () => {
    window.modelkeep.toast("The server cannot be reached. Check the connection and try again.", "error");
  });
})();
