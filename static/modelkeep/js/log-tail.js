// A log that grows stays at its end, unless somebody has scrolled up to read.
(() => {
  const NEAR = 24;
  const atEnd = new WeakMap();
  const logs = () => document.querySelectorAll("[data-log-tail]");
  const toEnd = (log) => { log.scrollTop = log.scrollHeight; };

  logs().forEach(toEnd);
  document.addEventListener("htmx:beforeSwap", () => {
    logs().forEach((log) => atEnd.set(log, log.scrollHeight - log.scrollTop - log.clientHeight < NEAR));
  });
  document.addEventListener("htmx:afterSettle", () => {
    logs().forEach((log) => { if (atEnd.get(log) ?? true) toEnd(log); });
  });
})();
