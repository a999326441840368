// Buttons that tick sets of privileges, in the dialogs about rights.
(() => {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-preset]");
    if (!button) return;
    const wanted = new Set(button.dataset.preset.split(" "));
    const boxes = [...button.closest("[data-presets]").querySelectorAll("input[type=checkbox]")];
    boxes.forEach((box) => { box.checked = wanted.has(box.value); });
    boxes[0]?.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
