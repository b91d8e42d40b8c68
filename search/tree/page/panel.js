// What a search tree's nodes are and what is told of a chosen one. Every walk is a loop: ids grow
// from parent to child. Texts of models only ever become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";
const RAMP = [[230, 170, 0], [52, 160, 120], [0, 114, 178]];

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

function button(text, label, act, parent) {
  const made = html("button", "", text, parent);
  made.type = "button";
  made.title = label;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

const shown = (x) => typeof x === "number" ? String(Number(x.toPrecision(4))) : String(x);

// The rows as nodes, with what follows from the parents.
function read(scene) {
  const nodes = (scene.rows ?? []).map((row, id) => {
    const node = { id, depth: 0, total: 0, children: [], parent: -1, text: "", tokens: 0 };
    scene.columns.forEach((name, i) => { if (i < row.length) node[name] = row[i]; });
    return node;
  });
  for (const node of nodes.slice(1)) {
    const above = nodes[node.parent];
    above.children.push(node.id);
    node.depth = above.depth + 1;
    const own = (node.source ?? "model") === "model" ? node.tokens : 0;
    node.total = (node.whole ? 0 : above.total) + own;
  }
  const same = (n) => (n.same_as ?? -1) >= 0;
  for (const n of nodes) {
    n.kind = n.over && n.answer != null ? "done" : same(n) ? "same" : n.closed ? "cut" : "open";
  }
  return nodes;
}

function colours(nodes) {
  const scores = nodes.map((n) => n.score).filter((s) => typeof s === "number");
  const levels = [...new Set(scores)].sort((a, b) => a - b);
  const rank = new Map(levels.map((s, i) => [s, levels.length > 1 ? i / (levels.length - 1) : 1]));
  return (n) => {
    if (!rank.has(n.score)) return "";
    const place = rank.get(n.score) * (RAMP.length - 1), low = Math.min(Math.floor(place), 1);
    const mixed = RAMP[low].map((a, i) => Math.round(a + (RAMP[low + 1][i] - a) * (place - low)));
    return `rgb(${mixed})`;
  };
}

function title(n) {
  const said = [`node ${n.id}`, n.id ? n.text.trim() : "the question"];
  if (n.score != null) said.push(`score ${shown(n.score)}`);
  if (n.closed) said.push(n.kind === "done" ? `answers ${n.answer}` : n.closed);
  return said.join(", ");
}

function facts(n, parent) {
  const ended = { eos: "end of sequence", boundary: "step boundary" }[n.finish] ?? n.finish;
  const rows = [
    ["depth", n.depth], ["score", n.score], ["tokens", n.id ? `${n.tokens}, ${n.total} in all` : null],
    ["log-probability", n.logprob], ["visits", n.visits], ["mean value", n.visits ? n.value / n.visits : null],
    ["written by", (n.source ?? "model") === "model" ? null : n.source], ["the step ended by", ended],
    ["nothing follows", n.closed], ["answer", n.answer], ...Object.entries(n.note ?? {}),
  ];
  const box = html("div", "rl-facts", undefined, parent);
  for (const [name, value] of rows) {
    if (value === null || value === undefined || value === "") continue;
    const plain = typeof value === "object" ? JSON.stringify(value) : shown(value);
    html("b", "", plain, html("span", "", `${name} `, box));
  }
  return box;
}

function text(name, content, parent) {
  const box = html("div", "rl-box", undefined, parent);
  html("h4", "", name, box);
  const pre = html("pre", "", content, box);
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", name);
}

// The panel of node `at`; `act` has way, choose, toggle and how many nodes are hidden below it.
function tell(panel, scene, nodes, at, act) {
  panel.replaceChildren();
  delete panel.dataset.k;
  if (at < 0) return;
  const n = nodes[at], chosen = at === scene.chosen ? " · chosen" : "";
  panel.dataset.k = at;
  html("h3", "", `${at ? `Node ${at}` : "The question"}${chosen}`, panel);
  const box = facts(n, panel);
  if ((n.same_as ?? -1) >= 0) {
    button(`same state as ${n.same_as}`, `show node ${n.same_as}`, () => act.choose(n.same_as), box);
  }
  const more = act.hidden.get(at);
  if (more) button(`open ${more.toLocaleString("en")} hidden`, "open", () => act.toggle(at), box);
  else if (n.children.length) button("fold", "hide what follows", () => act.toggle(at), box);
  const columns = html("div", "rl-columns", undefined, panel);
  const state = scene.states?.[at] ?? n.state;
  text(at ? "step" : "question", at ? n.text : scene.question ?? "", columns);
  if (state) text("state", state, columns);
  const path = html("div", "rl-box", undefined, columns);
  html("h4", "", "path to the root", path);
  const list = html("div", "rl-path", undefined, path), steps = act.way(at).reverse();
  steps.forEach((k, i) => {
    const far = steps.length > 60 && i >= 10 && i < steps.length - 40;
    if (far && i === 10) html("div", "", `⋯ ${steps.length - 50} steps`, list);
    if (far) return;
    const row = button(k ? nodes[k].text.trim() || "(empty)" : "the question", `show node ${k}`,
      () => act.choose(k), list);
    row.setAttribute("aria-current", k === at);
    if (nodes[k].score != null) html("span", "", shown(nodes[k].score), row);
  });
  list.scrollTop = list.scrollHeight;
}
