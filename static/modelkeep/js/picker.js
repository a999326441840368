// Fields that complete what is typed from a list that the server gives: <input data-picker="/address">.
// The server answers <li role="option" data-value="…"> rows; a choice fills the field and fires "change".
// In a <textarea> it is the word before the caret that is completed, and the list opens below that. Before the server
// is asked, "picker-ask" lets the page add to the question (event.detail.params).
(() => {
  const WAIT_MS = 150;
  const WORD = /(?:`[^`]*`?|[\w.])*$/;
  let timer = 0;
  let asked = 0;

  const listOf = (input) => document.getElementById(input.getAttribute("aria-controls"));
  const optionsOf = (list) => [...list.querySelectorAll("[role=option]")];
  const isText = (input) => input.tagName === "TEXTAREA";
  const typed = (input) => isText(input) ? WORD.exec(input.value.slice(0, input.selectionStart))[0] : input.value;

  const expand = (input, open) => {
    // A text of many lines has no such state.
    if (!isText(input)) input.setAttribute("aria-expanded", String(open));
  };

  const close = (input) => {
    clearTimeout(timer);
    asked += 1;
    const list = listOf(input);
    if (list) list.hidden = true;
    expand(input, false);
    input.removeAttribute("aria-activedescendant");
  };

  const prepare = (input) => {
    if (listOf(input)) return;
    const list = document.createElement("ul");
    list.id = `${input.id}-options`;
    list.className = isText(input) ? "picker-options picker-at-caret" : "picker-options";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Suggestions");
    list.hidden = true;
    input.setAttribute("aria-controls", list.id);
    input.after(list);
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      if (event.target.closest(".picker-none")) close(input);
    });
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) choose(input, option);
    });
  };

  const choose = (input, option) => {
    if (isText(input)) {
      const caret = input.selectionStart;
      input.setRangeText(option.dataset.value, caret - typed(input).length, caret, "end");
    } else {
      input.value = option.dataset.value;
    }
    close(input);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const place = (input, list) => {
    const bottom = input.offsetTop + input.offsetHeight;
    list.style.top = `${bottom}px`;
    if (!isText(input)) return;
    const style = getComputedStyle(input);
    const lines = input.value.slice(0, input.selectionStart).split("\n");
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = style.font;
    const left = input.offsetLeft + parseFloat(style.paddingLeft) + pen.measureText(lines.at(-1)).width;
    const below = input.offsetTop + parseFloat(style.paddingTop) - input.scrollTop;
    list.style.top = `${Math.min(below + lines.length * parseFloat(style.lineHeight), bottom)}px`;
    list.style.left = `${Math.max(Math.min(left, input.offsetWidth - list.offsetWidth), 0)}px`;
  };

  const show = async (input) => {
    prepare(input);
    const list = listOf(input);
    const turn = ++asked;
    const url = new URL(input.dataset.picker, window.location.origin);
    url.searchParams.set("q", typed(input));
    input.dispatchEvent(new CustomEvent("picker-ask", { bubbles: true, detail: { params: url.searchParams } }));
    let answer;
    try {
      answer = await fetch(url, { headers: { "HX-Request": "true" } });
    } catch {
      return;
    }
    const rows = answer.ok ? await answer.text() : "";
    if (turn !== asked || document.activeElement !== input) return;
    const marked = list.hidden ? undefined : list.querySelector("[aria-selected=true]")?.dataset.value;
    list.innerHTML = rows;
    const options = optionsOf(list);
    options.forEach((option, index) => { option.id = `${list.id}-${index}`; });
    const still = options.find((option) => option.dataset.value === marked);
    const settled = options.length === 1 && options[0].dataset.value === typed(input);
    list.hidden = settled || !list.childElementCount;
    if (!list.hidden) place(input, list);
    expand(input, !list.hidden);
    input.removeAttribute("aria-activedescendant");
    // An answer that comes late takes nothing out of the hand.
    if (still && !list.hidden) mark(input, still);
  };

  const mark = (input, chosen) => {
    optionsOf(listOf(input)).forEach((option) => option.setAttribute("aria-selected", String(option === chosen)));
    chosen.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", chosen.id);
  };

  const step = (input, by) => {
    const options = optionsOf(listOf(input));
    if (!options.length) return;
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    mark(input, options[(at + by + options.length + (at < 0 && by < 0 ? 1 : 0)) % options.length]);
  };

  document.addEventListener("input", (event) => {
    const input = event.target.closest("[data-picker]");
    if (!input) return;
    clearTimeout(timer);
    if (isText(input) && !typed(input)) close(input);
    else timer = setTimeout(() => show(input), WAIT_MS);
  });

  // Not at the focus: a dialog that opens with one must not lie under its list. The arrow down opens it as well.
  document.addEventListener("click", (event) => {
    const input = event.target.closest("[data-picker]");
    if (input && !input.value && !isText(input)) show(input);
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
    const text = isText(input);
    if (event.key === "ArrowDown" && !open && !text) show(input);
    else if (event.key === " " && event.ctrlKey && text) show(input);
    else if (event.key === "ArrowDown" && open) step(input, 1);
    else if (event.key === "ArrowUp" && open) step(input, -1);
    else if (event.key === "Enter" && chosen && !event.ctrlKey && !event.metaKey) choose(input, chosen);
    else if (event.key === "Tab" && text && open && !event.shiftKey) choose(input, chosen || optionsOf(list)[0]);
    else if (event.key === "Escape" && open) close(input);
    else {
      if (text && /^(Arrow|Home|End|Page|Enter)/.test(event.key)) close(input);
      return;
    }
    event.preventDefault();
  });
})();
