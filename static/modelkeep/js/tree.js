// The catalog tree: opens level by level, remembers what is open, follows the page, and is walked with the arrow keys.
(() => {
  const tree = document.querySelector("[data-tree]");
  if (!tree) return;

  const nodeOf = (element) => element.closest(".tree-node");
  const linkOf = (node) => node.querySelector(":scope > .tree-row > .tree-link");
  const groupOf = (node) => node.querySelector(":scope > [role=group]");
  const shownLinks = () => [...tree.querySelectorAll(".tree-link")].filter((link) => link.offsetParent !== null);

  // What is open is kept for the tab: a reload or another page finds the tree as it was.
  const MEMORY = "modelkeep.tree";
  const recall = () => {
    try {
      return new Set(JSON.parse(window.sessionStorage.getItem(MEMORY) ?? "[]"));
    } catch {
      return new Set();
    }
  };
  const remembered = recall();
  const remember = (path, open) => {
    if (open) remembered.add(path);
    else remembered.delete(path);
    try {
      window.sessionStorage.setItem(MEMORY, JSON.stringify([...remembered]));
    } catch {
      // Storage may be switched off: the tree then only follows the page.
    }
  };

  const setOpen = (node, open) => {
    const group = groupOf(node);
    if (!group) return;
    remember(linkOf(node).pathname, open);
    node.classList.toggle("is-open", open);
    group.hidden = !open;
    linkOf(node).setAttribute("aria-expanded", String(open));
    if (open) htmx.trigger(node.querySelector(":scope > .tree-row > .tree-toggle"), "open-level");
  };

  const here = () => decodeURI(window.location.pathname);
  const pathOf = (link) => decodeURI(new URL(link.href).pathname);
  // Models live under /explore/data/models/<catalog>/<schema>/<model>, containers under /explore/data/.
  const place = (path) => {
    const parts = path.split("/").slice(3);
    return parts.length >= 4 && parts[0] === "models" ? parts.slice(1, 4) : parts;
  };

  // Marks the row of the page shown, and opens the levels above it as they arrive.
  const follow = () => {
    const target = place(here());
    let focusable = null;
    tree.querySelectorAll(".tree-link").forEach((link) => {
      const own = place(pathOf(link));
      const above = own.length < target.length && own.every((part, index) => part === target[index]);
      const current = own.length === target.length && own.every((part, index) => part === target[index]);
      link.tabIndex = -1;
      if (current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      if (current) focusable = link;
      if ((above || remembered.has(link.pathname)) && !nodeOf(link).dataset.followed) {
        nodeOf(link).dataset.followed = "yes";
        setOpen(nodeOf(link), true);
      }
    });
    const entry = focusable ?? tree.querySelector(".tree-link");
    if (entry) entry.tabIndex = 0;
  };

  const focusLink = (link) => {
    if (!link) return;
    tree.querySelectorAll(".tree-link[tabindex='0']").forEach((other) => { other.tabIndex = -1; });
    link.tabIndex = 0;
    link.focus();
  };

  tree.addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-tree-toggle]");
    if (toggle) setOpen(nodeOf(toggle), !nodeOf(toggle).classList.contains("is-open"));
  });

  tree.addEventListener("keydown", (event) => {
    const link = event.target.closest(".tree-link");
    if (!link) return;
    const node = nodeOf(link);
    const open = node.classList.contains("is-open");
    const links = shownLinks();
    const position = links.indexOf(link);
    const moves = {
      ArrowDown: () => focusLink(links[position + 1]),
      ArrowUp: () => focusLink(links[position - 1]),
      Home: () => focusLink(links[0]),
      End: () => focusLink(links.at(-1)),
      ArrowRight: () => (open ? focusLink(groupOf(node)?.querySelector(".tree-link")) : setOpen(node, true)),
      ArrowLeft: () => {
        if (open) setOpen(node, false);
        else if (node.parentElement.closest(".tree-node")) focusLink(linkOf(node.parentElement.closest(".tree-node")));
      },
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  });

  // The arrow down leads from the filter into the rows.
  document.querySelector("[data-tree-filter]")?.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    focusLink(shownLinks()[0]);
  });

  // Something came, went or was renamed: the tree is loaded anew, and opens again what was open.
  document.addEventListener("tree-changed", () => {
    const url = document.querySelector("[data-tree-filter]").getAttribute("hx-get");
    htmx.ajax("GET", url, { target: tree, swap: "innerHTML show:none", select: "unset" });
  });

  // After settling, every new row answers to its events; earlier it might not.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!tree.contains(event.detail.target)) return;
    // A row that was opened before it could answer is asked again; one that has loaded ignores it.
    tree.querySelectorAll(".tree-node.is-open > .tree-row > [data-tree-toggle]").forEach((toggle) => {
      htmx.trigger(toggle, "open-level");
    });
    follow();
  });
  document.addEventListener("htmx:pushedIntoHistory", () => {
    tree.querySelectorAll("[data-followed]").forEach((node) => delete node.dataset.followed);
    follow();
  });

  // Only pages of the explorer are swapped into its frame; a link to any other page opens that page.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { boosted, pathInfo, requestConfig } = event.detail;
    const page = new URL(pathInfo.finalRequestPath, window.location.href);
    if (!boosted || requestConfig.verb !== "get" || page.pathname.startsWith("/explore/")) return;
    event.preventDefault();
    window.location.assign(page);
  });
})();
