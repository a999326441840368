// Aliases are moved by dragging their chip to the row of another version. By keyboard the chip opens a dialog.
(() => {
  const TYPE = "application/x-modelkeep-alias";
  let dragged = null;

  const rowAt = (event) => (dragged ? event.target.closest?.("[data-drop-version]") : null);
  const isTarget = (row) => row && row.dataset.dropVersion !== dragged.dataset.aliasVersion;
  const unmark = () => document.querySelectorAll(".is-drop-target").forEach((row) => row.classList.remove("is-drop-target"));

  document.addEventListener("dragstart", (event) => {
    const chip = event.target.closest?.("[data-alias]");
    if (!chip) return;
    dragged = chip;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData(TYPE, chip.dataset.alias);
    chip.classList.add("is-dragged");
    chip.closest("[data-alias-moves]")?.classList.add("is-dropping");
  });

  document.addEventListener("dragover", (event) => {
    const row = rowAt(event);
    unmark();
    if (!isTarget(row)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    row.classList.add("is-drop-target");
  });

  document.addEventListener("drop", (event) => {
    const row = rowAt(event);
    if (!isTarget(row)) return;
    event.preventDefault();
    const { alias, aliasVersion } = dragged.dataset;
    const values = {
      moves: JSON.stringify({ [alias]: Number(row.dataset.dropVersion) }),
      // Somebody else may have moved it since this page was drawn: then nothing happens.
      expected: JSON.stringify({ [alias]: Number(aliasVersion) }),
    };
    htmx.ajax("POST", row.closest("[data-alias-moves]").dataset.aliasMoves, { values, target: "#main", swap: "none" });
  });

  document.addEventListener("dragend", () => {
    unmark();
    dragged?.classList.remove("is-dragged");
    document.querySelectorAll(".is-dropping").forEach((table) => table.classList.remove("is-dropping"));
    dragged = null;
  });
})();
