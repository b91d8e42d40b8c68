// The drawing of a search tree: nodes to click, the path to the root, a replay in the order of
// writing. The same module draws in a notebook and in a standalone page; `panel.js` stands before it.

const LIMIT = 1500, HEIGHT = 360, LEFT = 16, TOP = 16;
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

function render({ model, el }) {
  const root = html("div", "rl-tree", undefined, el);
  root.addEventListener("keydown", (event) => { // JupyterLab would take them for its cells
    if (/^(Arrow|Home|End|Page)/.test(event.key)) event.stopPropagation();
  });
  const head = html("div", "rl-head", undefined, root);
  const bar = html("div", "rl-bar", undefined, root);
  const holder = html("div", "rl-drawing", undefined, root);
  const note = html("div", "rl-note", undefined, root);
  const legend = html("div", "rl-legend", undefined, root);
  for (const [kind, words] of [
    ["rl-ramp", "score, low to high"], ["rl-done", "finished"], ["rl-open", "open"],
    ["rl-same", "equal state"], ["rl-cut", "nothing follows"],
  ]) html("span", "", words, legend).prepend(html("i", kind));
  const panel = html("div", "rl-detail", undefined, root);
  panel.setAttribute("aria-live", "polite");
  let nodes = [], last = 0, follow = true, zoom = 1, timer = 0, width = 0;
  let circles = new Map(), hidden = new Map(), visible = [], lit = null, places = null;
  const folded = new Set(), opened = new Set();

  const play = button("▶", "replay the search", () => (timer ? halt() : replay()), bar);
  const slider = html("input", "rl-replay", undefined, bar);
  Object.assign(slider, { type: "range", min: 0, title: "replay: nodes in the order of writing" });
  slider.setAttribute("aria-label", "replay: how many nodes have been written");
  const count = html("span", "rl-count", "", bar);
  button("−", "zoom out", () => scale(1 / 1.3), bar);
  button("+", "zoom in", () => scale(1.3), bar);
  button("chosen", "show the chosen node", () => choose(model.get("scene").chosen, true), bar);
  slider.addEventListener("input", () => { halt(); show(Number(slider.value)); });

  function show(id) {
    last = clamp(id, 0, nodes.length - 1);
    follow = last === nodes.length - 1;
    draw();
  }

  function halt() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "▶";
  }

  function replay() {
    if (last >= nodes.length - 1) last = 0;
    play.textContent = "❚❚";
    const stride = Math.max(1, Math.round(nodes.length / 150));
    timer = setInterval(() => {
      show(last + stride);
      if (last >= nodes.length - 1) halt();
    }, 80);
  }

  function scale(by) {
    zoom = clamp(zoom * by, 0.3, 6);
    draw();
  }

  function current() {
    const selected = model.get("selected"), chosen = model.get("scene").chosen ?? -1;
    const at = selected >= 0 ? selected : chosen;
    return at < nodes.length ? at : -1;
  }

  function way(id) {
    const found = [];
    for (let at = id; at >= 0; at = nodes[at].parent) found.push(at);
    return found;
  }

  // Which nodes are drawn: all of a small tree; of a large one those written first, the ways to the
  // chosen and to the selected node, and what was opened by hand.
  function select() {
    const chosen = model.get("scene").chosen ?? -1, under = new Uint8Array(last + 1);
    const must = new Set([chosen, current()].filter((k) => k >= 0 && k <= last).flatMap(way));
    const below = new Int32Array(last + 1), gone = new Uint8Array(last + 1);
    let extra = 0;
    visible = [];
    for (let id = 0; id <= last; id++) {
      const up = nodes[id].parent;
      if (id) under[id] = opened.has(up) ? 1 : under[up];
      const fits = id < LIMIT || must.has(id) || (under[id] && extra++ < LIMIT);
      if (!id || (!gone[up] && !folded.has(up) && fits)) visible.push(id);
      else gone[id] = 1;
    }
    for (let id = last; id > 0; id--) if (gone[id]) below[nodes[id].parent] += below[id] + 1;
    hidden = new Map(visible.filter((id) => below[id]).map((id) => [id, below[id]]));
    const there = new Set(visible);
    return there;
  }

  function layout(there) {
    const y = new Float64Array(last + 1), kids = new Map(), stack = [0];
    let rows = 0, deepest = 1;
    while (stack.length) {
      const id = stack.pop(), seen = nodes[id].children.filter((c) => there.has(c));
      kids.set(id, seen);
      deepest = Math.max(deepest, nodes[id].depth);
      if (seen.length) for (let i = seen.length - 1; i >= 0; i--) stack.push(seen[i]);
      else y[id] = rows++;
    }
    for (let i = visible.length - 1; i >= 0; i--) {
      const seen = kids.get(visible[i]);
      if (seen.length) y[visible[i]] = (y[seen[0]] + y[seen[seen.length - 1]]) / 2;
    }
    const dx = clamp((width - 90) / deepest, 9, 190) * zoom;
    const dy = clamp((HEIGHT - 2 * TOP) / Math.max(rows, 1), 12, 34) * zoom;
    return {
      dx, dy, kids, x: (id) => LEFT + nodes[id].depth * dx, y: (id) => TOP + (y[id] + 0.5) * dy,
      width: Math.max(width, LEFT + deepest * dx + 90), height: rows * dy + 2 * TOP,
    };
  }

  function label(id) {
    if (hidden.has(id)) return `+${hidden.get(id).toLocaleString("en")}`;
    const letters = Math.floor((places.dx - 34) / 6.6);
    return id && places.dy >= 12 && letters >= 3 ? nodes[id].text.trim().slice(0, letters) : "";
  }

  function line(a, b) {
    const words = label(a), from = words ? 12 + words.length * 6.6 : 0; // not through the words
    const [x1, y1, x2, y2] = [places.x(a) + from, places.y(a), places.x(b), places.y(b)];
    const bend = (x1 + x2) / 2;
    return `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`;
  }

  function draw() {
    const scene = model.get("scene");
    if (!nodes.length) return;
    const focused = holder.contains(document.activeElement);
    width = holder.clientWidth || 900;
    const there = select(), fill = colours(nodes), chosen = scene.chosen ?? -1;
    places = layout(there);
    circles = new Map();
    const picture = svg("svg", {
      width: places.width, height: places.height, role: "group",
      "aria-label": `search tree of ${scene.problem}, ${nodes.length} nodes`,
    });
    const rest = visible.filter((id) => id);
    const edges = rest.filter((id) => !nodes[id].whole);
    svg("path", { class: "rl-edge", d: edges.map((id) => line(nodes[id].parent, id)).join("") },
      picture);
    const whole = rest.filter((id) => nodes[id].whole).map((id) => line(nodes[id].parent, id));
    if (whole.length) svg("path", { class: "rl-edge rl-whole", d: whole.join("") }, picture);
    lit = svg("path", { class: "rl-edge rl-lit", d: "" }, picture);
    for (const id of visible) {
      const n = nodes[id], [x, y] = [places.x(id), places.y(id)];
      const size = id === chosen ? 8 : n.kind === "done" ? 6.5 : n.kind === "open" ? 5 : 4;
      const circle = svg("circle", {
        cx: x, cy: y, r: Math.min(size, places.dy / 2 - 0.5), fill: fill(n) || "transparent",
        class: `rl-node rl-${n.kind}${id === chosen ? " rl-chosen" : ""}`, "data-k": id,
        role: "button", tabindex: -1, "aria-label": title(n),
      }, picture);
      svg("title", {}, circle).textContent = title(n);
      circles.set(id, circle);
      const words = label(id);
      if (!words) continue;
      const text = svg("text", { x: x + 10, y: y + 4 }, picture);
      if (hidden.has(id)) text.setAttribute("class", "rl-fold");
      text.textContent = words;
    }
    const [left, top] = [holder.scrollLeft, holder.scrollTop];
    holder.replaceChildren(picture);
    holder.scrollLeft = left;
    holder.scrollTop = top;
    Object.assign(slider, { max: nodes.length - 1, value: last });
    count.textContent = `${last + 1} of ${nodes.length} nodes`;
    light();
    if (focused) circles.get(current())?.focus();
  }

  function light() {
    const at = current(), on = at >= 0 && at <= last ? way(at).filter((k) => circles.has(k)) : [];
    lit?.setAttribute("d", on.slice(0, -1).map((k) => line(nodes[k].parent, k)).join(""));
    const among = new Set(on);
    for (const [k, circle] of circles) {
      circle.classList.toggle("rl-on", among.has(k));
      circle.setAttribute("aria-pressed", k === at);
      circle.setAttribute("tabindex", k === (circles.has(at) ? at : 0) ? 0 : -1);
    }
    detail(at);
  }

  function choose(k, look) {
    if (!(k >= 0 && k < nodes.length)) return;
    if (k > last) show(nodes.length - 1);
    model.set("selected", k);
    model.save_changes();
    const circle = circles.get(k);
    if (!circle) return;
    if (look) {
      circle.focus({ preventScroll: true });
      const [x, y] = [places.x(k), places.y(k)];
      const { scrollLeft: l, scrollTop: t, clientWidth: w, clientHeight: h } = holder;
      if (x < l + 20 || x > l + w - 60) holder.scrollLeft = x - w / 2;
      if (y < t + 10 || y > t + h - 20) holder.scrollTop = y - h / 2;
    }
  }

  function toggle(k) {
    if (hidden.has(k)) { folded.delete(k); opened.add(k); }
    else if (nodes[k].children.some((c) => circles.has(c))) { folded.add(k); opened.delete(k); }
    draw();
  }

  holder.addEventListener("click", (event) => {
    const k = event.target.closest?.("circle")?.dataset.k;
    if (k !== undefined) choose(Number(k), true);
  });
  holder.addEventListener("keydown", (event) => {
    const at = Number(event.target.dataset?.k ?? -1);
    if (at < 0) return;
    const seen = places.kids.get(at) ?? [], level = visible.filter((k) =>
      nodes[k].depth === nodes[at].depth).sort((a, b) => places.y(a) - places.y(b));
    const to = {
      ArrowLeft: nodes[at].parent, ArrowRight: seen[0], ArrowUp: level[level.indexOf(at) - 1],
      ArrowDown: level[level.indexOf(at) + 1], Home: 0, End: visible[visible.length - 1],
    };
    if (event.key === "Enter" || event.key === " ") toggle(at);
    else if (event.key in to) { if (to[event.key] >= 0) choose(to[event.key], true); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  function detail(at) {
    const looked = panel.contains(document.activeElement);
    tell(panel, model.get("scene"), nodes, at, { way, choose, toggle, hidden });
    if (looked) panel.querySelector("[aria-current=true]")?.focus();
  }

  function selected() {
    if (circles.has(current()) || current() < 0) light(); else draw();
  }

  function load() {
    const scene = model.get("scene");
    nodes = read(scene);
    head.textContent = scene.title ?? "";
    note.textContent = scene.note ?? "";
    if (follow || last >= nodes.length) last = nodes.length - 1;
    draw();
  }

  const resized = new ResizeObserver(() => {
    if (nodes.length && holder.clientWidth && holder.clientWidth !== width) draw();
  });
  resized.observe(holder);
  model.on("change:scene", load);
  model.on("change:selected", selected);
  load();
  return () => {
    halt();
    resized.disconnect();
    model.off("change:scene", load);
    model.off("change:selected", selected);
  };
}

export default { render };
