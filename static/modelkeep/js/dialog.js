// The one dialog of the page: opens when something was loaded into it, and gives the focus back when it closes.
(() => {
  const dialog = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");
  if (!dialog) return;

  const focusFirst = () => {
    const wanted = body.querySelector("[aria-invalid=true], [autofocus]");
    const first = body.querySelector("input:not([type=hidden]), select, textarea");
    (wanted ?? first ?? body.querySelector("[data-dialog-close]"))?.focus();
  };

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== body || !body.childElementCount) return;
    if (!dialog.open) dialog.showModal();
    focusFirst();
  });

  // A plan that names something missing keeps its form from being sent; the reason stands in it. A form that is being
  // sent already is left alone.
  document.addEventListener("htmx:afterSettle", () => {
    document.querySelectorAll("form:has(.plan):not(.htmx-request)").forEach((form) => {
      const missing = form.querySelector(".plan .need-missing, .plan .alert-bad");
      const submit = form.querySelector("[data-submit]") ?? form.querySelector("[type=submit]");
      submit.disabled = Boolean(missing);
    });
  });

  document.addEventListener("dialog-done", () => dialog.close());

  dialog.addEventListener("close", () => body.replaceChildren());

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-dialog-close]")) return;
    if (dialog.open) dialog.close();
    else window.history.back();
  });

  // A click beside the dialog closes it, unless something was typed into it.
  dialog.addEventListener("mousedown", (event) => {
    if (event.target !== dialog) return;
    const typed = [...body.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue);
    if (!typed) dialog.close();
  });
})();
