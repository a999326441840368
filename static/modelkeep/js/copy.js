// Copy buttons: data-copy holds the text, data-copy-from the id of the element that shows it.
(() => {
  const write = async (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    // Plain http on another host has no clipboard interface.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("copy was refused");
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    event.preventDefault();
    const source = button.dataset.copyFrom;
    const text = source ? document.getElementById(source).textContent.trim() : button.dataset.copy;
    try {
      await write(text);
      button.classList.add("is-copied");
      setTimeout(() => button.classList.remove("is-copied"), 1500);
      window.modelkeep.toast("Copied");
    } catch {
      window.modelkeep.toast("The browser did not allow copying. Select the text and copy it by hand.", "error");
    }
  });
})();
