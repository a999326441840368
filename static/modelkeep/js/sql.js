// The editor: Ctrl-Enter runs, Tab indents; after Escape, Tab leaves the field as everywhere.
(() => {
  const INDENT = "  ";
  let leaving = false;

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("textarea[data-sql]");
    if (!field) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      field.form.requestSubmit();
    } else if (event.key === "Escape") {
      leaving = true;
    } else if (event.key === "Tab" && !event.shiftKey && !leaving) {
      event.preventDefault();
      field.setRangeText(INDENT, field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (event.key !== "Tab" && event.key !== "Shift") {
      leaving = false;
    }
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches("textarea[data-sql]")) leaving = false;
  });
})();
