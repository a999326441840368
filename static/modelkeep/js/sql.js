// The editor: Ctrl-Enter runs, Tab indents; after Escape, Tab leaves the field as everywhere. Names complete themselves
// by picker.js, which is told here what a short name means and which tables the statement reads.
(() => {
  const INDENT = "  ";
  const TABLES = /\b(?:from|join|into|update|table)\s+((?:`[^`]*`|[\w.])+)(?:\s+(?:as\s+)?(\w+))?/gi;
  const NO_ALIAS = /^(?:where|on|using|join|left|right|inner|full|cross|group|order|having|limit|union|set|values|select)$/i;
  let leaving = false;

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("textarea[data-sql]");
    if (!field || event.defaultPrevented) return;
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
  document.addEventListener("picker-ask", (event) => {
    const field = event.target.closest("textarea[data-sql]");
    if (!field) return;
    const params = event.detail.params;
    for (const name of ["catalog", "schema"]) params.set(name, field.form.elements[name].value);
    for (const [, table, alias = ""] of field.value.matchAll(TABLES)) {
      params.append("of", NO_ALIAS.test(alias) ? table : `${table} ${alias}`.trim());
    }
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches("textarea[data-sql]")) leaving = false;
  });
})();
