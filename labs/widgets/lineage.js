// The drawing of an evolution's lineage: circles to click, and what the kernel tells of the chosen
// program. Text of programs only ever becomes text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 900, HEIGHT = 380, LEFT = 58, RIGHT = 16, TOP = 12, BOTTOM = 34;

function svg(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

function html(name, kind, text, parent) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function render({ model, el }) {
  const root = html("div", "rl-lineage", undefined, el);
  const holder = html("div", "rl-drawing", undefined, root);
  const note = html("div", "rl-note", "", root);
  const panel = html("div", "rl-detail", undefined, root);
  panel.setAttribute("aria-live", "polite");
  let circles = new Map(), edges = [], order = [], nodes = new Map();

  const px = (x) => LEFT + x * (WIDTH - LEFT - RIGHT);
  const py = (y) => TOP + (1 - y) * (HEIGHT - TOP - BOTTOM);

  function choose(k, focus) {
    if (!circles.has(k)) return ask(k);
    if (focus) circles.get(k).focus();
    ask(k);
  }

  function ask(k) {
    if (model.get("selected") === k) return;
    model.set("selected", k);
    model.save_changes();
    panel.classList.add("rl-waiting"); // until the kernel, which may be busy, has answered
    light();
  }

  function keys(event, k) {
    const at = order.indexOf(k), node = nodes.get(k);
    const best = (ks) => ks.filter((c) => circles.has(c))
      .sort((a, b) => nodes.get(b).y - nodes.get(a).y)[0];
    const to = {
      ArrowLeft: () => order[at - 1], ArrowRight: () => order[at + 1],
      ArrowDown: () => node.parents.find((p) => circles.has(p)), ArrowUp: () => best(node.children),
      Home: () => order[0], End: () => order[order.length - 1], Enter: () => k, " ": () => k,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    const next = to();
    if (next !== undefined) choose(next, true);
  }

  function draw() {
    const scene = model.get("scene");
    const focused = holder.contains(document.activeElement);
    holder.replaceChildren();
    circles = new Map(); edges = []; nodes = new Map();
    order = scene.nodes.map((n) => n.k);
    const picture = svg("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": scene.said,
    }, holder);
    for (const [y, label] of scene.yticks) {
      svg("line", { class: "rl-grid", x1: LEFT - 8, x2: WIDTH, y1: py(y), y2: py(y) }, picture);
      svg("text", { x: LEFT - 12, y: py(y) + 4, "text-anchor": "end" }, picture).textContent = label;
    }
    for (const [x, label] of scene.xticks) {
      svg("text", { x: px(x), y: HEIGHT - 18, "text-anchor": "middle" }, picture)
        .textContent = label;
    }
    svg("text", { x: WIDTH - RIGHT, y: HEIGHT - 3, "text-anchor": "end" }, picture)
      .textContent = "number of the program →";
    const lines = svg("g", {}, picture), dots = svg("g", {}, picture);
    for (const n of scene.nodes) nodes.set(n.k, { ...n, children: [] });
    for (const n of nodes.values()) {
      n.parents.forEach((p, i) => {
        const from = nodes.get(p);
        if (!from) return;
        from.children.push(n.k);
        const [x1, y1, x2, y2] = [px(from.x), py(from.y), px(n.x), py(n.y)];
        const bend = (x1 + x2) / 2;
        const line = svg("path", {
          d: `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`,
          class: i ? "rl-edge rl-second" : "rl-edge",
        }, lines);
        edges.push({ line, from: p, to: n.k, main: i === 0 });
      });
    }
    for (const n of scene.nodes) {
      const circle = svg("circle", {
        cx: px(n.x), cy: py(n.y), r: n.k === scene.best ? 8 : n.score === null ? 3.5 : 5,
        fill: n.colour || "transparent", class: `rl-node rl-${n.kind}`, tabindex: -1,
        role: "button", "aria-label": n.title, "data-k": n.k,
      }, dots);
      svg("title", {}, circle).textContent = n.title;
      circle.addEventListener("click", () => choose(n.k, true));
      circle.addEventListener("keydown", (event) => keys(event, n.k));
      circles.set(n.k, circle);
    }
    note.textContent = scene.note;
    light();
    if (focused) circles.get(model.get("selected"))?.focus();
  }

  function light() {
    const selected = model.get("selected"), path = model.get("path");
    const on = new Set(path[0] === selected ? path : [selected]);
    for (const [k, circle] of circles) {
      circle.classList.toggle("rl-on", on.has(k));
      circle.classList.toggle("rl-selected", k === selected);
      circle.setAttribute("tabindex", k === selected ? 0 : -1);
      circle.setAttribute("aria-pressed", k === selected);
    }
    if (!circles.has(selected) && order.length) circles.get(order[0]).setAttribute("tabindex", 0);
    for (const edge of edges) {
      const lit = edge.main && on.has(edge.from) && on.has(edge.to);
      edge.line.classList.toggle("rl-on", lit);
      edge.line.classList.toggle("rl-near",
        !lit && (edge.from === selected || edge.to === selected));
      if (lit) edge.line.parentNode.append(edge.line);
    }
    const chosen = circles.get(selected);
    // Drawn last is drawn on top; moving an element takes its focus away.
    if (chosen && document.activeElement !== chosen) chosen.parentNode.append(chosen);
  }

  function links(name, ks, parent) {
    if (!ks.length) return;
    const line = html("span", "rl-links", `${name} `, parent);
    for (const k of ks) {
      const button = html("button", "", `${k}`, line);
      button.setAttribute("aria-label", `show program ${k}`);
      button.addEventListener("click", () => choose(k, false));
    }
  }

  function code(title, kind, parent) {
    const box = html("div", "rl-box", undefined, parent);
    html("h4", "", title, box);
    const pre = html("pre", kind, undefined, box);
    pre.tabIndex = 0;
    pre.setAttribute("aria-label", title);
    return pre;
  }

  function difference(diff, parent) {
    const pre = code(`difference to ${diff.parent}`, "rl-diff", parent);
    if (!diff.rows.length) pre.textContent = "none";
    const sign = { same: "  ", old: "− ", new: "+ ", gap: "⋯ " };
    for (const [kind, pieces] of diff.rows) {
      const row = html("div", `rl-${kind}`, sign[kind], pre);
      for (const [changed, text] of pieces) html("span", changed ? "rl-word" : "", text, row);
    }
  }

  function fold(title, parent) {
    const box = html("details", "", undefined, parent);
    html("summary", "", title, box);
    return box;
  }

  function detail() {
    const d = model.get("detail");
    panel.replaceChildren();
    panel.classList.remove("rl-waiting");
    if (d.k === undefined) return;
    panel.dataset.k = d.k;
    html("h3", "", d.title, panel);
    const facts = html("div", "rl-facts", undefined, panel);
    for (const [name, value] of d.facts) {
      const fact = html("span", "", `${name} `, facts);
      html("b", "", value, fact);
    }
    links("parents", d.parents, facts);
    links("children", d.children, facts);
    if (d.reason) html("div", "rl-reason", d.reason, panel);
    const columns = html("div", "rl-columns", undefined, panel);
    if (d.source !== null) code("source", "rl-source", columns).textContent = d.source;
    d.diffs.forEach((diff, i) => {
      const title = `difference to ${diff.parent}`;
      difference(diff, i ? fold(`${title}, the other parent`, panel) : columns);
    });
    if (d.scores.length) {
      const box = fold(`score on each of ${d.scores.length} training instances`, panel);
      const table = html("table", "", undefined, box);
      const head = html("tr", "", undefined, table);
      for (const text of ["instance", "this", d.against]) if (text) html("th", "", text, head);
      for (const row of d.scores) {
        const line = html("tr", "", undefined, table);
        for (const text of row) html("td", "", text, line);
      }
    }
    for (const [title, text] of d.texts) html("pre", "rl-source", text, fold(title, panel));
  }

  draw();
  detail();
  const told = { scene: draw, path: light, selected: light, detail };
  for (const [name, act] of Object.entries(told)) model.on(`change:${name}`, act);
  return () => {
    for (const [name, act] of Object.entries(told)) model.off(`change:${name}`, act);
  };
}

export default { render };
