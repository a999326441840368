// Times in the viewer's zone and words; the title keeps UTC.
(() => {
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const WEEK = 7 * 86400;

  const words = (at) => {
    const seconds = (at - Date.now()) / 1000;
    if (Math.abs(seconds) > WEEK) return date.format(at);
    const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? [];
    return unit ? relative.format(Math.round(seconds / size), unit) : "just now";
  };

  const localise = (root) => {
    root.querySelectorAll("time[data-moment]").forEach((element) => {
      const at = new Date(element.dateTime);
      element.dataset.utc ??= element.title;
      element.title = `${exact.format(at)} · ${element.dataset.utc}`;
      element.textContent = words(at);
    });
  };

  localise(document);
  document.addEventListener("htmx:load", (event) => localise(event.detail.elt));
})();
