// Asks before a form with data-confirm is sent.
(() => {
  const ask = (text, verb) =>
    new Promise((resolve) => {
      const dialog = document.createElement("dialog");
      dialog.className = "dialog";
      const question = document.createElement("p");
      question.textContent = text;
      question.id = "confirm-question";
      dialog.setAttribute("aria-labelledby", question.id);
      const actions = document.createElement("div");
      actions.className = "actions dialog-actions";
      const button = (label, className, value) => {
        const element = document.createElement("button");
        element.type = "button";
        element.className = className;
        element.textContent = label;
        element.addEventListener("click", () => dialog.close(value));
        return element;
      };
      actions.append(button("Cancel", "button", ""), button(verb, "button button-danger", "yes"));
      dialog.append(question, actions);
      dialog.addEventListener("close", () => {
        resolve(dialog.returnValue === "yes");
        dialog.remove();
      });
      document.body.append(dialog);
      dialog.showModal();
    });

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-confirm]");
    if (!form) return;
    event.preventDefault();
    if (await ask(form.dataset.confirm, form.dataset.confirmVerb ?? "Go on")) form.submit();
  });
})();
