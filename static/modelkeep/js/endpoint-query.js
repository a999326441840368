// The query box of an endpoint: sends what is written as the viewer, by the same path as any program, and shows what
// came back. Languages of the snippets are tabs.
(() => {
  // Indented, with every number as it came: reading 20.0 or a long id and writing it again would change it.
  const indented = (text) => {
    const parts = text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) ?? [];
    let depth = 0;
    const line = () => `\n${"  ".repeat(depth)}`;
    return parts
      .map((part, place) => {
        const before = parts[place - 1];
        if (part === ":") return ": ";
        if (part === ",") return `,${line()}`;
        if (part === "[" || part === "{") {
          depth += 1;
          return parts[place + 1] === "]" || parts[place + 1] === "}" ? part : part + line();
        }
        if (part === "]" || part === "}") {
          depth -= 1;
          return before === "[" || before === "{" ? part : line() + part;
        }
        return part;
      })
      .join("");
  };

  const shown = (text) => {
    try {
      JSON.parse(text);
      return indented(text);
    } catch {
      return text;
    }
  };

  const path = (section) => {
    const entity = section.querySelector("[data-query-entity]").value;
    const base = section.dataset.query;
    return entity ? `${base}/served-models/${encodeURIComponent(entity)}/invocations` : `${base}/invocations`;
  };

  const tell = (section, facts, text, good) => {
    const answer = section.querySelector("[data-query-answer]");
    answer.hidden = false;
    answer.classList.toggle("is-bad", !good);
    answer.querySelector("[data-query-facts]").textContent = facts;
    answer.querySelector("[data-query-text]").textContent = text;
  };

  const send = async (form) => {
    const section = form.closest("[data-query]");
    const body = form.querySelector("[data-query-body]").value;
    try {
      JSON.parse(body);
    } catch (error) {
      tell(section, "Not sent", `This is no JSON: ${error.message}`, false);
      return;
    }
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    section.classList.add("is-waiting");
    const began = performance.now();
    try {
      const answer = await fetch(path(section), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
      const text = await answer.text();
      const took = Math.round(performance.now() - began);
      const facts = [`${answer.status} ${answer.ok ? "OK" : answer.statusText}`.trim(), `${took} ms`];
      const served = answer.headers.get("served-model-name");
      if (served) facts.push(`answered by ${served}`);
      const id = answer.headers.get("x-databricks-request-id");
      if (id) facts.push(`request ${id}`);
      tell(section, facts.join(" · "), shown(text), answer.ok);
    } catch {
      tell(section, "No answer", "The server could not be reached. Try again.", false);
    } finally {
      button.disabled = false;
      section.classList.remove("is-waiting");
    }
  };

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-query-form]")) return;
    event.preventDefault();
    send(event.target);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const field = event.target.closest?.("[data-query-body]");
    if (!field) return;
    event.preventDefault();
    field.form.requestSubmit();
  });

  const choose = (tab) => {
    const all = [...tab.closest("[data-snippets]").querySelectorAll("[role=tab]")];
    all.forEach((one) => {
      const chosen = one === tab;
      one.setAttribute("aria-selected", String(chosen));
      one.tabIndex = chosen ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = !chosen;
    });
  };

  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-snippets] [role=tab]");
    if (tab) choose(tab);
  });

  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.("[data-snippets] [role=tab]");
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!tab || !step) return;
    const all = [...tab.parentElement.querySelectorAll("[role=tab]")];
    const next = all[(all.indexOf(tab) + step + all.length) % all.length];
    choose(next);
    next.focus();
  });
})();
