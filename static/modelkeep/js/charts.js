// Draws the charts of a page with Plotly, which is loaded when there is one to draw.
// <figure data-chart="ID"> holds a figure for Plotly as JSON in the script element of that id.
(() => {
  const PLOTLY = document.currentScript.dataset.plotly;
  // Plotly brings a style sheet for its maps, of which none is drawn here, and the security policy would refuse it. It
  // asks first whether an element of this id is there.
  const MAP_STYLE = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";
  let loading = null;

  const plotly = () => {
    loading ??= new Promise((resolve, reject) => {
      const kept = document.createElement("meta");
      kept.id = MAP_STYLE;
      document.head.append(kept);
      const script = document.createElement("script");
      script.src = PLOTLY;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("Plotly did not load"));
      document.head.append(script);
    });
    return loading;
  };

  // Colours come from the page's tokens, so that a chart follows the theme. A token is light-dark(): let it be resolved.
  const probe = document.createElement("span");
  probe.hidden = true;
  const colour = (token) => {
    document.body.append(probe);
    probe.style.color = `var(--${token})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  const themed = (layout) => {
    const axis = { gridcolor: colour("line"), linecolor: colour("line-strong"), zerolinecolor: colour("line-strong") };
    return {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink-soft") },
      colorway: ["accent", "info", "warn", "bad", "ok", "ink-faint"].map(colour),
      margin: { l: 56, r: 16, t: 16, b: 40, ...layout.margin },
      xaxis: { automargin: true, ...axis, ...layout.xaxis },
      yaxis: { automargin: true, ...axis, ...layout.yaxis },
      // Plotly draws lines of its own accord in a grey that the dark theme swallows.
      shapes: layout.shapes?.map((shape) => ({ ...shape, line: { color: colour("ink-faint"), ...shape.line } })),
      hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("line-strong"), font: { color: colour("ink") } },
    };
  };

  const draw = async (holder) => {
    const spec = JSON.parse(document.getElementById(holder.dataset.chart).textContent);
    const place = holder.querySelector("[data-chart-place]");
    try {
      const library = await plotly();
      await library.react(place, spec.data, themed(spec.layout ?? {}), { responsive: true, displayModeBar: false });
      if (spec.links) followPoints(place);
      holder.classList.add("is-drawn");
    } catch {
      place.textContent = "The chart could not be drawn. The values are in the table.";
    }
  };

  // A point whose own data is an address of this site is a link. Each is also a link in a table of the page.
  const followPoints = (place) => {
    place.removeAllListeners?.("plotly_click");
    place.on("plotly_click", (event) => {
      const address = event.points[0]?.customdata;
      if (typeof address === "string" && address.startsWith("/")) window.location.assign(address);
    });
  };

  const drawAll = (root) => {
    const holders = [...root.querySelectorAll("[data-chart]")];
    if (root.matches?.("[data-chart]")) holders.push(root);
    holders.forEach(draw);
  };

  drawAll(document.body);
  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt !== document.body) drawAll(event.detail.elt);
  });
  document.addEventListener("theme-changed", () => drawAll(document));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-chart-png]");
    if (!button) return;
    const place = document.querySelector(`[data-chart="${CSS.escape(button.dataset.chartPng)}"] [data-chart-place]`);
    const library = await plotly();
    await library.downloadImage(place, { format: "png", filename: button.dataset.chartPng, scale: 2 });
  });
})();
