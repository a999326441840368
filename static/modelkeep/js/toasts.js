// Short news at the edge of the screen; some can be taken back.
(() => {
  const STAY_MS = 6000;
  const STAY_WITH_UNDO_MS = 12000;
  const holder = document.getElementById("toasts");

  const dismiss = (toast) => {
    toast.classList.add("is-leaving");
    setTimeout(() => toast.remove(), 300);
  };

  const undoButton = (undo, toast) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "toast-undo";
    button.textContent = "Undo";
    button.addEventListener("click", () => {
      dismiss(toast);
      htmx.ajax("POST", undo.url, { values: undo.values, target: "#main", swap: "none" });
    });
    return button;
  };

  const show = (text, kind = "info", undo = null) => {
    const toast = document.createElement("p");
    toast.className = `toast toast-${kind}`;
    const words = document.createElement("span");
    words.textContent = text;
    toast.append(words);
    if (undo) toast.append(undoButton(undo, toast));
    holder.append(toast);
    setTimeout(() => dismiss(toast), undo ? STAY_WITH_UNDO_MS : STAY_MS);
  };

  window.modelkeep = { toast: show };
  document.querySelectorAll(".toast").forEach((toast) => setTimeout(() => dismiss(toast), STAY_MS));
  document.addEventListener("toast", ({ detail }) => show(detail.text, detail.kind, detail.undo));

  document.addEventListener("htmx:sendError", () => {
    show("The server cannot be reached. Check the connection and try again.", "error");
  });
})();
