// The theme toggle. The choice is kept in a cookie, so that the server draws the first paint in it.
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  const current = () => root.dataset.theme || (system.matches ? "dark" : "light");

  const choose = (theme) => {
    root.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("theme-changed"));
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
    try {
      // The console keeps its own setting under this name.
      window.localStorage.setItem("theme", theme);
    } catch {
      // Storage may be switched off; the cookie is enough for us.
    }
  };

  system.addEventListener("change", () => document.dispatchEvent(new CustomEvent("theme-changed")));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-toggle]")) choose(current() === "dark" ? "light" : "dark");
  });
})();
