// Ctrl-K: goes to anything, or does it. The server finds; here the rows are walked and chosen by keyboard.
(() => {
  const palette = document.getElementById("palette");
  if (!palette) return;
  const input = palette.querySelector("input");
  const rows = () => [...palette.querySelectorAll("[role=option]:not([aria-disabled])")];

  const choose = (row) => {
    rows().forEach((other) => other.setAttribute("aria-selected", String(other === row)));
    input.setAttribute("aria-activedescendant", row ? row.id : "");
    row?.scrollIntoView({ block: "nearest" });
  };
  // Enter before the answer is there means its first row.
  let answered = "";
  let isWanted = false;
  const chosen = () => palette.querySelector("[role=option][aria-selected=true]");

  const open = () => {
    if (palette.open) return;
    palette.showModal();
    input.value = "";
    input.focus();
    htmx.trigger(input, "palette-ask");
  };

  document.addEventListener("palette-open", open);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette-open]")) open();
  });
  palette.addEventListener("mousedown", (event) => {
    if (event.target === palette) palette.close();
  });
  // A row is a link or opens a dialog: either way the palette has done its work.
  palette.addEventListener("click", (event) => {
    if (event.target.closest("[role=option]:not([aria-disabled])")) palette.close();
  });

  palette.addEventListener("keydown", (event) => {
    const all = rows();
    const at = all.indexOf(chosen());
    const moves = {
      ArrowDown: () => choose(all[(at + 1) % all.length]),
      ArrowUp: () => choose(all.at(at - 1)),
      Enter: () => chosen()?.click(),
    };
    if (event.key === "Enter" && input.value !== answered) {
      event.preventDefault();
      isWanted = true;
      return;
    }
    if (!moves[event.key] || !all.length) return;
    event.preventDefault();
    moves[event.key]();
  });

  input.addEventListener("input", () => {
    isWanted = false;
  });
  palette.addEventListener("htmx:beforeSwap", (event) => {
    answered = event.detail.requestConfig.parameters.q ?? input.value;
  });
  palette.addEventListener("htmx:afterSettle", () => {
    choose(rows()[0]);
    if (isWanted) chosen()?.click();
    isWanted = false;
  });
})();
