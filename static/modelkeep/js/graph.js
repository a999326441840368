// The lineage graph: what is pointed at or focused shows its arrows, and the arrow keys walk along them.
(() => {
  const nodeOf = (element) => element.closest?.("[data-node]");
  const linesOf = (graph, id) => [...graph.querySelectorAll(`[data-from="${CSS.escape(id)}"], [data-to="${CSS.escape(id)}"]`)];

  const light = (node) => {
    const graph = node.closest("[data-graph]");
    graph.querySelectorAll(".is-lit").forEach((line) => line.classList.remove("is-lit"));
    linesOf(graph, node.dataset.node).forEach((line) => line.classList.add("is-lit"));
  };
  const dim = (node) => {
    node.closest("[data-graph]").querySelectorAll(".is-lit").forEach((line) => line.classList.remove("is-lit"));
  };

  const nodes = (graph) => [...graph.querySelectorAll("[data-node]")];
  const find = (graph, id) => graph.querySelector(`[data-node="${CSS.escape(id)}"]`);
  const beside = (node, key) => {
    const graph = node.closest("[data-graph]");
    const [mine, other] = key === "ArrowRight" ? ["from", "to"] : ["to", "from"];
    const line = graph.querySelector(`[data-${mine}="${CSS.escape(node.dataset.node)}"]`);
    return line ? find(graph, line.dataset[other]) : null;
  };
  const inColumn = (node, step) => {
    const x = node.querySelector("rect").getAttribute("x");
    const column = nodes(node.closest("[data-graph]")).filter((one) => one.querySelector("rect").getAttribute("x") === x);
    return column[column.indexOf(node) + step];
  };

  document.addEventListener("mouseover", (event) => { const node = nodeOf(event.target); if (node) light(node); });
  document.addEventListener("mouseout", (event) => { const node = nodeOf(event.target); if (node) dim(node); });
  document.addEventListener("focusin", (event) => { const node = nodeOf(event.target); if (node) light(node); });
  document.addEventListener("focusout", (event) => { const node = nodeOf(event.target); if (node) dim(node); });

  document.addEventListener("keydown", (event) => {
    const node = nodeOf(event.target);
    if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = {
      ArrowRight: () => beside(node, "ArrowRight"),
      ArrowLeft: () => beside(node, "ArrowLeft"),
      ArrowDown: () => inColumn(node, 1),
      ArrowUp: () => inColumn(node, -1),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]()?.focus();
  });
})();
