// The button that compares the versions ticked in a list: it counts them, and says how many it takes.
(() => {
  const update = () => {
    const button = document.querySelector("[data-compare-button]");
    if (!button) return;
    const ticked = document.querySelectorAll("[data-compare]:checked").length;
    const most = Number(button.dataset.most);
    button.disabled = ticked < 2 || ticked > most;
    const words = ticked > most ? `At most ${most}` : ticked ? `Compare ${ticked}` : "Compare";
    button.querySelector("[data-compare-words]").textContent = words;
    button.title = button.disabled ? `Tick from 2 to ${most} versions` : "";
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-compare]")) update();
  });
  document.addEventListener("htmx:afterSettle", update);
  update();
})();
