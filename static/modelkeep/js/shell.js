// What every page's frame does: menus that close, panels on small screens, focus after a swap.
(() => {
  document.addEventListener("click", (event) => {
    document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
      if (!menu.contains(event.target) || event.target.closest(".menu-item")) menu.open = false;
    });
    const opener = event.target.closest("[data-panel-open]");
    if (opener) {
      const open = document.getElementById(opener.getAttribute("aria-controls")).classList.toggle("is-open");
      opener.setAttribute("aria-expanded", String(open));
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  // A link that swapped the object behaves as a page change: the reader starts at the new content.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "main" && event.detail.elt.id !== "main") return;
    const main = document.getElementById("main");
    const panel = document.getElementById("tree-panel");
    if (panel && !panel.contains(document.activeElement)) main.focus({ preventScroll: true });
    document.querySelectorAll("[data-panel-open]").forEach((opener) => {
      document.getElementById(opener.getAttribute("aria-controls"))?.classList.remove("is-open");
      opener.setAttribute("aria-expanded", "false");
    });
  });

  // On a narrow screen the row of sections is scrolled to where one is.
  const bringHere = () => {
    document.querySelectorAll(".tabs [aria-current], .settings-nav [aria-current]").forEach((here) => {
      const row = here.parentElement;
      if (row.scrollWidth > row.clientWidth) row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
    });
  };
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "main") bringHere();
  });
  bringHere();

  // Says so when the connection is gone, and stops saying it when it is back.
  const offline = document.getElementById("offline");
  const tell = () => { offline.hidden = navigator.onLine; };
  window.addEventListener("online", tell);
  window.addEventListener("offline", tell);
  tell();
})();
