// Fields that complete what is typed from a list that the server gives: <input data-picker="/address">.
// The server answers <li role="option" data-value="…"> rows; a choice fills the field and fires "change".
(() => {
  const WAIT_MS = 150;
  let timer = 0;
  let asked = 0;

  const listOf = (input) => document.getElementById(input.getAttribute("aria-controls"));
  const optionsOf = (list) => [...list.querySelectorAll("[role=option]")];

  const close = (input) => {
    const list = listOf(input);
    if (list) list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const prepare = (input) => {
    if (listOf(input)) return;
    const list = document.createElement("ul");
    list.id = `${input.id}-options`;
    list.className = "picker-options";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Suggestions");
    list.hidden = true;
    input.setAttribute("aria-controls", list.id);
    input.after(list);
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) choose(input, option);
    });
  };

  const choose = (input, option) => {
    input.value = option.dataset.value;
    close(input);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const show = async (input) => {
    prepare(input);
    const list = listOf(input);
    const turn = ++asked;
    const url = new URL(input.dataset.picker, window.location.origin);
    url.searchParams.set("q", input.value);
    let answer;
    try {
      answer = await fetch(url, { headers: { "HX-Request": "true" } });
    } catch {
      return;
    }
    const rows = answer.ok ? await answer.text() : "";
    if (turn !== asked || document.activeElement !== input) return;
    list.innerHTML = rows;
    const options = optionsOf(list);
    options.forEach((option, index) => { option.id = `${list.id}-${index}`; });
    list.style.top = `${input.offsetTop + input.offsetHeight}px`;
    const settled = options.length === 1 && options[0].dataset.value === input.value;
    list.hidden = settled || !list.childElementCount;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };

  const mark = (input, step) => {
    const options = optionsOf(listOf(input));
    if (!options.length) return;
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    const next = (at + step + options.length + (at < 0 && step < 0 ? 1 : 0)) % options.length;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === next)));
    options[next].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[next].id);
  };

  document.addEventListener("input", (event) => {
    const input = event.target.closest("[data-picker]");
    if (!input) return;
    clearTimeout(timer);
    timer = setTimeout(() => show(input), WAIT_MS);
  });

  document.addEventListener("focusin", (event) => {
    const input = event.target.closest("[data-picker]");
    if (input && !input.value) show(input);
  });

  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.("[data-picker]")) close(event.target);
  });

  document.addEventListener("keydown", (event) => {
    const input = event.target.closest?.("[data-picker]");
    if (!input) return;
    const list = listOf(input);
    const open = list && !list.hidden;
    const chosen = open && list.querySelector("[aria-selected=true]");
    if (event.key === "ArrowDown" && !open) show(input);
    else if (event.key === "ArrowDown") mark(input, 1);
    else if (event.key === "ArrowUp" && open) mark(input, -1);
    else if (event.key === "Enter" && chosen) choose(input, chosen);
    else if (event.key === "Escape" && open) close(input);
    else return;
    event.preventDefault();
  });
})();
