// The bell is filled when it is opened and emptied when it is closed, so that it asks for nothing meanwhile.
(() => {
  document.addEventListener(
    "toggle",
    (event) => {
      if (!event.target.matches?.("details[data-bell]")) return;
      const panel = event.target.querySelector(".menu-panel");
      if (event.target.open) htmx.trigger(panel, "bell-opened");
      else panel.replaceChildren();
    },
    true,
  );
})();
