// The form of an endpoint: shares of the traffic that stay at 100 together, bounds that show only when they are wanted,
// and how many requests at a time are needed.
(() => {
  const UNIT = 4;
  const SIZES = [["Small", 4], ["Medium", 16], ["Large", 64]];
  const SVG = "http://www.w3.org/2000/svg";
  const COLOURS = 6;

  const cards = (form) => [...form.querySelectorAll("[data-entity]")];
  const numberOf = (card) => card.querySelector("[data-traffic-number]");
  const sliderOf = (card) => card.querySelector("[data-traffic-slider]");
  const isLive = (card) => card.querySelector("[name$=-role]").value !== "SHADOW";
  const shareOf = (card) => Math.max(0, Math.min(100, Math.round(Number(numberOf(card).value)) || 0));

  const set = (card, share) => {
    numberOf(card).value = share;
    sliderOf(card).value = share;
  };

  // The others give or take what one entity gained, in the proportion that they had; whole numbers, 100 together.
  const balance = (form, moved) => {
    const others = cards(form).filter((card) => card !== moved && isLive(card));
    if (!others.length) {
      if (isLive(moved)) set(moved, 100);
      return;
    }
    const rest = 100 - shareOf(moved);
    const before = others.map(shareOf);
    const total = before.reduce((sum, share) => sum + share, 0);
    const exact = before.map((share) => (total ? (rest * share) / total : rest / others.length));
    const whole = exact.map(Math.floor);
    let left = rest - whole.reduce((sum, share) => sum + share, 0);
    const order = exact.map((share, place) => [share - whole[place], place]).sort((a, b) => b[0] - a[0]);
    for (const [, place] of order) {
      if (left <= 0) break;
      whole[place] += 1;
      left -= 1;
    }
    others.forEach((card, place) => set(card, whole[place]));
  };

  const draw = (form) => {
    const bar = form.querySelector("[data-traffic-bar]");
    const sum = form.querySelector("[data-traffic-sum]");
    let begin = 0;
    const pieces = cards(form).flatMap((card, place) => {
      if (!isLive(card)) return [];
      const rect = document.createElementNS(SVG, "rect");
      const share = shareOf(card);
      Object.entries({ x: begin, y: 0, width: share, height: 6 }).forEach(([name, value]) => rect.setAttribute(name, value));
      rect.setAttribute("class", `series-${place % COLOURS}`);
      begin += share;
      return [rect];
    });
    bar.replaceChildren(...pieces);
    sum.textContent = begin === 100 ? "100 % of the traffic" : `${begin} % of the traffic: it must be 100 %`;
    sum.classList.toggle("is-wrong", begin !== 100);
  };

  const arrange = (form) => {
    cards(form).forEach((card) => {
      const live = isLive(card);
      card.querySelector(".traffic-row").hidden = !live;
      if (!live) set(card, 0);
      const own = card.querySelector("[name$=-size]").value === "custom";
      card.querySelector("[data-bounds]").hidden = !own;
      const version = card.querySelector("[name$=-version]");
      if (!version.hasAttribute("list")) version.setAttribute("list", `${version.id}-options`);
    });
    draw(form);
  };

  const answer = (calculator) => {
    const rate = Number(calculator.querySelector("[data-calculator-rate]").value) || 0;
    const seconds = (Number(calculator.querySelector("[data-calculator-time]").value) || 0) / 1000;
    const needed = rate * seconds;
    const units = Math.max(UNIT, Math.ceil(needed / UNIT) * UNIT);
    const size = SIZES.find(([, most]) => units <= most);
    const advice = size ? `${size[0]} holds that` : `set own bounds, at most ${units}`;
    calculator.querySelector("[data-calculator-answer]").textContent =
      `${needed.toFixed(needed < 10 ? 1 : 0)} at a time, so ${units}: ${advice}.`;
  };

  const prepare = (root) => {
    const forms = [...root.querySelectorAll("[data-traffic-form]")];
    if (root.matches?.("[data-traffic-form]")) forms.push(root);
    forms.forEach(arrange);
    root.querySelectorAll("[data-calculator]").forEach(answer);
  };

  document.addEventListener("input", (event) => {
    const card = event.target.closest("[data-entity]");
    const form = event.target.closest("[data-traffic-form]");
    if (card && event.target.matches("[data-traffic-slider], [data-traffic-number]")) {
      set(card, Math.max(0, Math.min(100, Math.round(Number(event.target.value)) || 0)));
      balance(form, card);
      draw(form);
    }
    const calculator = event.target.closest("[data-calculator]");
    if (calculator) answer(calculator);
  });

  document.addEventListener("change", (event) => {
    const form = event.target.closest("[data-traffic-form]");
    if (!form || !event.target.matches("[name$=-role], [name$=-size]")) return;
    arrange(form);
    const card = event.target.closest("[data-entity]");
    const live = cards(form).filter(isLive);
    if (event.target.matches("[name$=-role]") && live.length) {
      balance(form, isLive(card) ? card : live[0]);
      if (!isLive(card) && live.length === 1) set(live[0], 100);
      draw(form);
    }
  });

  prepare(document.body);
  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt !== document.body) prepare(event.detail.elt);
  });
})();
