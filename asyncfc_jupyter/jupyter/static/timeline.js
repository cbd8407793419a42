// @ts-check
/**
 * The live timeline. Python computes, this draws: what arrives is a view (see `trace/view.py`, where the wire format is
 * stated), first whole, then as changes in batches. Between batches only what is still open grows, by the clock.
 *
 * The first half is pure: numbers and views in, numbers out. The second half owns the elements. Text comes from models and
 * tools and is hostile: it is only ever set as `textContent` or as an attribute that holds plain text.
 *
 * @typedef {{value: string, label: string, clock?: boolean}} Figure
 * @typedef {{id: string, kind: "first_token"|"call"|"text"|"await", start: number, end: number|null, label: string}} Span
 * @typedef {{kind: string, start: number, end: number|null, reason: string}} Segment
 * @typedef {{future: string, tool: string, arguments: string, state: string, segments: Segment[], label: string,
 *   seen: number|null, critical: boolean, needs: string[], after: string[]}} Row
 * @typedef {{version: number, title: string, subtitle: string, live: boolean, now: number, figures: Figure[],
 *   decode: Span[], turns: number[], rows: Row[], overlap: Array<[number, number|null]>}} View
 * @typedef {{title: string, subtitle: string, live: boolean, now: number, figures: Figure[], decode: Span[], rows: Row[],
 *   turns: {first: number, items: number[]}, overlap: {first: number, items: Array<[number, number|null]>}}} Changes
 * @typedef {(text: string, size: number, bold?: boolean) => number} Measure
 * @typedef {{left: number, right: number, domain: number}} Scale
 * @typedef {{scale: Scale, rowHeight: number, barHeight: number, size: number, narrow: boolean, names: number}} Frame
 * @typedef {{text: string, x: number, anchor: "start"|"end"|"middle", inside: boolean}} Label
 */

const WAITS = new Set(["data", "hazard", "limit"]);
/** Narrower than this, in pixels, the names of the tools move from the left into the labels. */
const NARROW = 640;
/** Width, in pixels, in which a cut label still says something. */
const ROOM_TO_CUT = 110;
/** Arrows are drawn up to this many rows; beyond, they are a thicket. */
const MOST_ARROW_ROWS = 30;
/** Python reports at least once a second while a run goes on. When it has been silent for this long, in seconds, the
 * kernel is blocked or gone, and growing on would be invention. */
const SILENCE_S = 4;
/** Lengths of the time axis, in seconds, that a live picture steps through: no bar may shrink at every frame. */
const DOMAINS = [2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800, 2700, 3600];
const TICK_STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600,
];
/** @type {Array<[string, string]>} */
const LEGEND = [
  ["first_token", "to first token"],
  ["call", "a call"],
  ["text", "text"],
  ["running", "running"],
  ["done", "ran"],
  ["failed", "failed"],
  ["cancelled", "cancelled"],
  ["skipped", "skipped"],
  ["data", "needs a value"],
  ["hazard", "held: shared state"],
  ["limit", "held: limit"],
  ["seen", "the model saw it"],
  ["critical", "critical path"],
  ["overlap", "overlap"],
];

// -- pure -------------------------------------------------------------------------------------------------------------

/**
 * A duration for people: `83 ms`, `0.83 s`, `8.3 s`, `2 min 05 s`, `1 h 02 min`.
 * @param {number} seconds
 */
export function showSeconds(seconds) {
  if (seconds < 0.0995) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 0.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/**
 * The view after the changes. Spans and rows are replaced by their id or are new; the view given is left as it was.
 * @param {View} view
 * @param {Changes} changes
 * @returns {View}
 */
export function applyChanges(view, changes) {
  return {
    ...view,
    title: changes.title,
    subtitle: changes.subtitle,
    live: changes.live,
    now: changes.now,
    figures: changes.figures,
    decode: merged(view.decode, changes.decode, (span) => span.id),
    rows: merged(view.rows, changes.rows, (row) => row.future),
    turns: [...view.turns.slice(0, changes.turns.first), ...changes.turns.items],
    overlap: [...view.overlap.slice(0, changes.overlap.first), ...changes.overlap.items],
  };
}

/**
 * @template T
 * @param {T[]} old
 * @param {T[]} news
 * @param {(item: T) => string} key
 * @returns {T[]}
 */
function merged(old, news, key) {
  if (news.length === 0) return old;
  const rest = new Map(news.map((item) => [key(item), item]));
  const result = old.map((item) => {
    const name = key(item);
    const replacement = rest.get(name);
    rest.delete(name);
    return replacement ?? item;
  });
  return result.concat([...rest.values()]);
}

/**
 * The length of a live time axis, in seconds: it grows in steps, and only when the clock comes near its end.
 * @param {number} now
 * @param {number} previous
 */
export function liveDomain(now, previous) {
  if (now <= previous * 0.95) return previous;
  return DOMAINS.find((length) => now <= length * 0.72) ?? now * 1.5;
}

/**
 * @param {Scale} scale
 * @param {number} seconds
 */
export function position(scale, seconds) {
  const share = Math.min(Math.max(seconds, 0), scale.domain) / scale.domain;
  return scale.left + (scale.right - scale.left) * share;
}

/**
 * Round times on an axis of `domain` seconds, at most `most` after the zero.
 * @param {number} domain
 * @param {number} most
 */
export function ticks(domain, most) {
  const least = domain / Math.max(1, most);
  const step = TICK_STEPS.find((size) => size >= least) ?? 3600 * Math.ceil(least / 3600);
  const count = Math.floor(domain / step + 1e-9) + 1;
  return Array.from({ length: count }, (_, index) => ({ at: index * step, label: tickLabel(index * step, step) }));
}

/**
 * @param {number} seconds
 * @param {number} step
 */
function tickLabel(seconds, step) {
  if (seconds === 0) return "0";
  if (step < 0.1 && seconds < 1) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 60 || step < 30) return `${seconds.toFixed(step >= 1 ? 0 : step >= 0.1 ? 1 : 2)} s`;
  return showSeconds(seconds).replace(" 00 s", "").replace(" 00 min", "");
}

/**
 * As much of a text as fits, with an ellipsis where it was cut; or nothing.
 * @param {string} text
 * @param {number} size
 * @param {number} width
 * @param {Measure} measure
 */
export function fit(text, size, width, measure) {
  if (measure(text, size) <= width) return text;
  const letters = Array.from(text);
  let low = 0;
  let high = letters.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (measure(letters.slice(0, middle).join("") + "…", size) <= width) low = middle;
    else high = middle - 1;
  }
  return low >= 3 ? letters.slice(0, low).join("").trimEnd() + "…" : "";
}

/**
 * Room for a row's label: inside its bar, right of it, left of all its segments, or cut where room is widest.
 * @param {string[]} choices from the longest to the shortest; the last is the one that matters most
 * @param {number} size
 * @param {[number, number]} bar
 * @param {{left: number, scale: Scale, seen: number|null, keepLeft: boolean, measure: Measure}} around
 * @returns {Label|null}
 */
export function placeLabel(choices, size, bar, { left, scale, seen, keepLeft, measure }) {
  const [start, end] = bar;
  const inner = (seen !== null && seen < end + 6 ? Math.min(end, seen - 6) : end) - start - 16;
  for (const text of choices) {
    if (text && measure(text, size) <= inner) return { text, x: start + 8, anchor: "start", inside: true };
  }
  const text = choices.filter(Boolean).at(-1);
  if (!text) return null;
  const width = measure(text, size);
  let after = end + 9;
  if (seen !== null && after + width + 8 > seen && seen > end - 8) after = Math.max(after, seen + 11);
  /** @type {Array<{room: number, x: number, anchor: "start"|"end"}>} */
  let rooms = [
    { room: scale.right - after, x: after, anchor: "start" },
    { room: left - 9 - scale.left, x: left - 9, anchor: "end" },
  ];
  if (keepLeft && rooms[0].room >= ROOM_TO_CUT) rooms = rooms.slice(0, 1);
  for (const { room, x, anchor } of rooms) {
    if (width <= room) return { text, x, anchor, inside: false };
  }
  const widest = rooms.reduce((best, other) => (other.room > best.room ? other : best));
  if (inner > widest.room) {
    const cut = fit(text, size, inner, measure);
    if (cut) return { text: cut, x: start + 8, anchor: "start", inside: true };
  }
  const cut = fit(text, size, widest.room, measure);
  return cut ? { text: cut, x: widest.x, anchor: widest.anchor, inside: false } : null;
}

/**
 * Why a call waited, in order and without repetition; of values that arrived one by one, all at once.
 * @param {Row} row
 */
export function waitReasons(row) {
  /** @type {string[]} */
  const reasons = [];
  let last = "";
  for (const { kind, reason } of row.segments) {
    if (WAITS.has(kind) && !(kind === "data" && last === "data") && !reasons.includes(reason)) reasons.push(reason);
    last = kind;
  }
  return reasons.join("; ");
}

/**
 * Sizes that all rows share.
 * @param {View} view
 * @param {number} width
 * @param {number} domain
 * @param {Measure} measure
 * @returns {Frame}
 */
export function frame(view, width, domain, measure) {
  const narrow = width < NARROW;
  const count = view.rows.length;
  const rowHeight = count <= 12 ? 34 : count <= 30 ? 26 : 20;
  const size = rowHeight >= 26 ? 12 : 11;
  let names = 16;
  let tools = 0;
  for (const row of view.rows) {
    names = Math.max(names, measure(row.future, size + 0.5, true));
    if (!narrow) tools = Math.max(tools, measure(row.tool, size + 0.5));
  }
  const left = Math.max(names + 10 + Math.min(tools, 160), measure("decoding", 13, true)) + 14;
  const scale = { left, right: Math.max(left + 40, width - 2), domain: Math.max(domain, 0.001) };
  return { scale, rowHeight, barHeight: rowHeight - (rowHeight >= 26 ? 8 : 5), size, narrow, names: names + 10 };
}

/**
 * One row, in pixels from the top left of its own strip.
 * @param {Row} row
 * @param {Frame} frame
 * @param {number} now
 * @param {Measure} measure
 */
export function layoutRow(row, { scale, size, narrow }, now, measure) {
  const at = (/** @type {number} */ seconds) => position(scale, seconds);
  const segments = row.segments.map((segment) => ({
    kind: segment.kind,
    start: segment.start,
    open: segment.end === null,
    mark: segment.kind === "skipped" || (segment.start === segment.end && !WAITS.has(segment.kind) && segment.kind !== "done"),
    x: at(segment.start),
    width: at(segment.end ?? now) - at(segment.start),
  }));
  const seen = row.seen === null ? null : at(row.seen);
  const last = segments.at(-1);
  /** @type {Label|null} */
  let label = null;
  /** @type {Label|null} */
  let why = null;
  if (last !== undefined) {
    const reasons = waitReasons(row);
    const left = segments[0].x;
    const end = last.x + last.width;
    const choices = outcome(row, narrow);
    const around = { left, scale, seen, keepLeft: reasons !== "", measure };
    label = placeLabel(choices, size, [last.x, last.mark ? end + 13 : end], around);
    if (reasons && label?.anchor !== "end") {
      const room = left - scale.left - 14;
      const cut = room > 60 ? fit(reasons, size, room, measure) : "";
      if (cut) why = { text: cut, x: left - 8, anchor: "end", inside: false };
    }
  }
  return { segments, seen, label, why };
}

/**
 * What to write beside or inside a bar, from the longest to the shortest.
 * @param {Row} row
 * @param {boolean} named
 */
function outcome(row, named) {
  const { state, label } = row;
  if (state === "pending") return [];
  if (state === "failed") return [label];
  if (state === "skipped" || state === "cancelled") return [label.startsWith(state) ? label : `${state}: ${label}`];
  const given = named ? `${row.tool}(${row.arguments})` : row.arguments;
  return [given && label ? `${given} → ${label}` : "", label || given];
}

/**
 * Paths from the end of each call to the start of those that waited for it, along the gap between two rows.
 * @param {View} view
 * @param {Frame} frame
 */
export function arrows(view, { scale, rowHeight, barHeight }) {
  if (view.rows.length > MOST_ARROW_ROWS) return [];
  const index = new Map(view.rows.map((row, number) => [row.future, number]));
  const gap = (rowHeight - barHeight) / 2;
  /** @type {Array<{path: string, strong: boolean}>} */
  const found = [];
  view.rows.forEach((row, number) => {
    const start = row.segments.find((segment) => !WAITS.has(segment.kind) && segment.start !== segment.end)?.start;
    if (start === undefined) return;
    for (const name of new Set([...row.needs, ...row.after])) {
      const from = index.get(name);
      const end = from === undefined ? null : (view.rows[from].segments.at(-1)?.end ?? null);
      if (from === undefined || end === null || end > start + 0.001) continue;
      const x1 = position(scale, start) + 1;
      const bent = x1 - (position(scale, end) - 1) > 3;
      const x0 = bent ? position(scale, end) - 1 : x1;
      const y0 = rowHeight * (from + 1) - gap;
      const y1 = rowHeight * number + gap;
      const bend = bent ? `V${(y0 + gap).toFixed(1)}H${x1.toFixed(1)}` : "";
      const path = `M${x0.toFixed(1)} ${y0.toFixed(1)}${bend}V${(y1 - 1).toFixed(1)}m-3 -4l3 4l3 -4`;
      found.push({ path, strong: row.critical && view.rows[from].critical });
    }
  });
  return found;
}

/**
 * The decode lane in pixels. Spans that would fall on the same pixel as the one before are left out.
 * @param {View} view
 * @param {Frame} frame
 * @param {number} now
 * @param {Measure} measure
 */
export function layoutDecode(view, { scale }, now, measure) {
  const placed = [];
  let drawn = -1;
  for (const [number, span] of view.decode.entries()) {
    const x = position(scale, span.start);
    const width = position(scale, span.end ?? now) - x;
    const open = span.end === null;
    if (!open && x + width - drawn < 0.4) continue;
    drawn = x + width;
    const last = number === view.decode.length - 1;
    const texts = span.kind === "await" ? [span.label, "waiting"] : [span.kind === "text" && last ? "answer" : span.label];
    const room = width - (span.kind === "await" ? 14 : 5);
    const label = texts.find((text) => text && measure(text, 12, span.kind !== "await") <= room) ?? "";
    placed.push({ id: span.id, kind: span.kind, start: span.start, open, x, width, label });
  }
  return placed;
}

/**
 * What a row has to tell, as lines for the tooltip and for those who listen.
 * @param {Row} row
 * @param {number} now
 * @returns {Array<[string, string]>} pairs of a style and a text
 */
export function tell(row, now) {
  /** @type {Array<[string, string]>} */
  const lines = [["name", `${row.future}  ${row.tool}`]];
  if (row.arguments) lines.push(["code", row.arguments]);
  for (const segment of row.segments) {
    const lasted = showSeconds((segment.end ?? now) - segment.start);
    if (WAITS.has(segment.kind)) lines.push([segment.kind, `${segment.end === null ? "waiting" : "waited"} ${lasted}: ${segment.reason}`]);
    else if (segment.start !== segment.end) lines.push(["plain", `${segment.end === null ? "running for" : "ran"} ${lasted}`]);
  }
  if (row.label) lines.push([row.state, row.state === "done" ? `→ ${row.label}` : `${row.state}: ${row.label}`]);
  if (row.seen !== null) lines.push(["plain", `the model saw it at ${showSeconds(row.seen)}`]);
  return lines;
}

// -- elements ---------------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
let instances = 0;

/**
 * @param {string} name
 * @param {Record<string, string|number>} attributes
 * @param {Array<Element>} children
 * @returns {SVGElement}
 */
function shape(name, attributes = {}, children = []) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, typeof value === "number" ? String(Math.round(value * 10) / 10) : value);
  }
  element.append(...children);
  return element;
}

/**
 * @param {Label} label
 * @param {number} y
 * @param {number} size
 * @param {string} style
 */
function words(label, y, size, style) {
  const element = shape("text", { x: label.x, y, "font-size": size, "text-anchor": label.anchor, class: style });
  element.textContent = label.text;
  return element;
}

/**
 * @param {string} name
 * @param {string} style
 * @param {string} [text]
 */
function box(name, style, text) {
  const element = document.createElement(name);
  element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * The sign of a call that came to nothing: a cross for failed, a bar for cancelled, a leap for skipped.
 * @param {string} kind
 * @param {number} x
 * @param {number} y
 * @param {boolean} onBar
 */
function sign(kind, x, y, onBar) {
  const path = {
    failed: `M${x - 3.5} ${y - 3.5}l7 7m0 -7l-7 7`,
    cancelled: `M${x - 4} ${y}h8`,
    skipped: `M${x - 5} ${y + 3}q5 -10 9 -1m.6 -4.4l-.4 4.8l-4.6 -1`,
  }[kind];
  return shape("path", { d: path ?? "", class: `afc-sign ${onBar ? "afc-on-bar" : ""}`, "data-kind": kind });
}

/**
 * Make the children of an element like those wanted, and keep the elements that are there: one under the pointer, or in the
 * hands of a screen reader, must not vanish because its bar has grown.
 * @param {Element} parent
 * @param {Element[]} wanted without children of their own
 */
function morph(parent, wanted) {
  const old = [...parent.children];
  wanted.forEach((element, index) => {
    const existing = old[index];
    if (existing === undefined) parent.append(element);
    else if (existing.tagName !== element.tagName) existing.replaceWith(element);
    else {
      for (const { name } of [...existing.attributes]) if (!element.hasAttribute(name)) existing.removeAttribute(name);
      for (const { name, value } of element.attributes) {
        if (existing.getAttribute(name) !== value) existing.setAttribute(name, value);
      }
      if (existing.textContent !== element.textContent) existing.textContent = element.textContent;
    }
  });
  for (const element of old.slice(wanted.length)) element.remove();
}

/** Text widths as the browser draws them, remembered. @returns {Measure} */
function ruler() {
  const context = document.createElement("canvas").getContext("2d");
  /** @type {Map<string, number>} */
  const known = new Map();
  return (text, size, bold = false) => {
    const key = `${size}${bold ? "b" : ""}${text}`;
    let width = known.get(key);
    if (width === undefined) {
      if (context !== null) context.font = `${bold ? 650 : 400} ${size}px system-ui, sans-serif`;
      width = context?.measureText(text).width ?? text.length * size * 0.6;
      if (known.size > 20000) known.clear();
      known.set(key, width);
    }
    return width;
  };
}

class Timeline {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.id = `afc-${(instances += 1)}`;
    this.measure = ruler();
    /** @type {View|null} */
    this.view = null;
    this.domain = 0;
    this.drawnDomain = 0;
    /** When the last news came, and what time it was in the run then; nothing before the first.
     * @type {{now: number, at: number}|null} */
    this.anchor = null;
    this.clock = 0;
    this.frameRequest = 0;
    /** @type {Array<{element: Element, start: number, x: number, height: number}>} */
    this.growing = [];
    /** @type {Map<string, {element: SVGElement, key: string}>} */
    this.drawnRows = new Map();
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.root = box("section", "asyncfc-timeline");
    this.build();
    host.append(this.root);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.root);
  }

  build() {
    // Plain boxes with roles: notebooks style headings, lists and definitions in ways of their own.
    this.title = box("div", "afc-title");
    this.title.setAttribute("role", "heading");
    this.title.setAttribute("aria-level", "3");
    this.subtitle = box("div", "afc-subtitle");
    this.figures = box("div", "afc-figures");
    const texts = box("div", "afc-texts");
    texts.append(this.title, this.subtitle);
    const head = box("header", "afc-head");
    head.append(texts, this.figures);
    this.lane = shape("svg", { class: "afc-lane", role: "img" });
    this.scroller = box("div", "afc-rows");
    this.ground = shape("g");
    this.bars = shape("g");
    this.links = shape("g");
    this.nowLine = shape("path", { class: "afc-now" });
    const patterns = ["data", "hazard", "limit"].map((kind) => this.pattern(kind));
    const body = [shape("defs", {}, patterns), this.ground, this.links, this.bars, this.nowLine];
    this.rows = shape("svg", { role: "list", "aria-label": "futures" }, body);
    this.scroller.append(this.rows);
    this.legend = box("div", "afc-legend");
    this.tip = box("div", "afc-tip");
    this.tip.setAttribute("role", "tooltip");
    this.tip.hidden = true;
    this.root.append(head, this.lane, this.scroller, this.legend, this.tip);
    this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    this.root.addEventListener("pointermove", (event) => this.hover(event.target, event.clientX, event.clientY));
    this.root.addEventListener("pointerleave", () => this.hideTip());
    this.root.addEventListener("focusin", (event) => this.focus(event.target));
    this.root.addEventListener("focusout", () => this.hideTip());
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {string} kind */
  pattern(kind) {
    const size = kind === "limit" ? 6 : 7;
    const turn = { data: "rotate(45)", hazard: "rotate(-45)", limit: "" }[kind] ?? "";
    const mark =
      kind === "limit"
        ? shape("circle", { cx: 3, cy: 3, r: 1.5, class: "afc-limit" })
        : shape("path", { d: "M0 0V7", "stroke-width": kind === "data" ? 3 : 3.4, class: `afc-${kind}` });
    const attributes = { id: `${this.id}-${kind}`, width: size, height: size, patternUnits: "userSpaceOnUse", patternTransform: turn };
    return shape("pattern", attributes, [shape("rect", { width: size, height: size, class: "afc-strip" }), mark]);
  }

  // -- news --

  /** @param {View} view @param {boolean} fresh whether it has just come from a kernel */
  setView(view, fresh) {
    if (view.version !== 1) {
      this.title.textContent = "This timeline was made by another version of asyncfc-jupyter: reload the page.";
      return;
    }
    this.view = view;
    this.news(fresh);
  }

  /** @param {Changes} changes */
  change(changes) {
    if (this.view === null) return;
    this.view = applyChanges(this.view, changes);
    this.news(true);
  }

  /** @param {boolean} fresh */
  news(fresh) {
    const view = /** @type {View} */ (this.view);
    if (fresh && view.live) this.anchor = { now: view.now, at: performance.now() };
    this.clock = view.live ? Math.max(view.now, this.clock) : view.now;
    this.domain = view.live ? liveDomain(this.clock, this.domain) : Math.max(view.now, 0.001) * 1.015;
    if (this.drawnDomain === 0 || this.still.matches) this.drawnDomain = this.domain;
    this.draw();
    this.schedule();
  }

  // -- time --

  schedule() {
    const moving = this.drawnDomain !== this.domain || (this.anchor !== null && this.view?.live && !this.still.matches);
    if (moving && this.frameRequest === 0) this.frameRequest = requestAnimationFrame(() => this.tick());
  }

  tick() {
    this.frameRequest = 0;
    if (this.view === null || !this.root.isConnected) return;
    let silent = false;
    if (this.view.live && this.anchor !== null) {
      const since = (performance.now() - this.anchor.at) / 1000;
      silent = since > SILENCE_S;
      if (!silent) this.clock = Math.max(this.clock, this.anchor.now + since);
      this.domain = liveDomain(this.clock, this.domain);
    }
    if (this.drawnDomain !== this.domain) {
      const rest = this.domain - this.drawnDomain;
      this.drawnDomain = Math.abs(rest) < 0.004 * this.domain ? this.domain : this.drawnDomain + rest * 0.2;
      this.draw();
    } else {
      this.grow();
    }
    if (!silent) this.schedule();
  }

  /** Let what is open reach the present; nothing else moves. */
  grow() {
    if (this.frame === undefined) return;
    const x = position(this.frame.scale, this.clock);
    for (const { element, x: start } of this.growing) {
      element.setAttribute("width", String(Math.max(1.5, x - start).toFixed(1)));
    }
    this.nowLine.setAttribute("d", this.view?.live ? `M${x.toFixed(1)} 0V${this.height}` : "");
    const clock = this.figures.querySelector("[data-clock]");
    if (clock !== null) clock.textContent = showSeconds(this.clock);
  }

  // -- drawing --

  draw() {
    const view = this.view;
    if (view === null) return;
    const follow = view.live && this.scroller.scrollTop + this.scroller.clientHeight >= this.scroller.scrollHeight - 4;
    const width = this.scroller.clientWidth;
    if (width < 80) return;
    this.frame = frame(view, width, this.drawnDomain, this.measure);
    this.height = this.frame.rowHeight * view.rows.length + 4;
    this.growing = [];
    this.root.dataset.live = String(view.live);
    this.root.setAttribute("aria-label", `${view.title}; ${view.subtitle}`);
    this.drawHead(view);
    this.drawLane(view, width);
    this.rows.setAttribute("width", String(width));
    this.rows.setAttribute("height", String(this.height));
    if (follow) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.drawGround(view, this.ground, 0, this.height);
    this.drawRows(view);
    this.links.replaceChildren(
      ...arrows(view, this.frame).map(({ path, strong }) =>
        shape("path", { d: path, class: strong ? "afc-arrow afc-strong" : "afc-arrow" }),
      ),
    );
    this.drawLegend(view);
    this.grow();
  }

  /** @param {View} view */
  drawHead(view) {
    if (this.title.textContent !== view.title) this.title.textContent = view.title;
    if (this.subtitle.textContent !== view.subtitle) this.subtitle.textContent = view.subtitle;
    const key = JSON.stringify(view.figures.map(({ value, label, clock }) => [clock ? "" : value, label]));
    if (this.figures.dataset.key === key) return;
    this.figures.dataset.key = key;
    this.figures.replaceChildren(
      ...view.figures.map((figure) => {
        const pair = box("div", "afc-figure");
        const value = box("div", "afc-value", figure.value);
        if (figure.clock) value.dataset.clock = "";
        pair.append(value, box("div", "afc-label", figure.label));
        return pair;
      }),
    );
  }

  /** @param {View} view @param {number} width */
  drawLane(view, width) {
    const current = /** @type {Frame} */ (this.frame);
    const { scale } = current;
    this.lane.setAttribute("width", String(width));
    this.lane.setAttribute("height", "64");
    const ground = shape("g");
    this.drawGround(view, ground, 20, 64);
    const marks = ticks(scale.domain, Math.max(2, Math.floor((scale.right - scale.left) / 66))).map(({ at, label }) =>
      words({ text: label, x: position(scale, at), anchor: "middle", inside: false }, 12, 11, "afc-muted afc-number"),
    );
    const name = words({ text: "decoding", x: 0, anchor: "start", inside: false }, 44.5, 13, "afc-ink afc-bold");
    const spans = layoutDecode(view, current, this.clock, this.measure).flatMap((span) => this.drawSpan(span));
    const turns = view.turns.slice(1).map((at) => shape("path", { d: `M${position(scale, at).toFixed(1)} 23v34`, class: "afc-turn" }));
    this.lane.setAttribute("aria-label", `decoding: ${view.turns.length} turns`);
    this.lane.replaceChildren(ground, ...marks, name, ...spans, ...turns);
  }

  /** @param {ReturnType<typeof layoutDecode>[number]} span */
  drawSpan(span) {
    const middle = { text: span.label, x: span.x + span.width / 2, anchor: /** @type {const} */ ("middle"), inside: true };
    if (span.kind === "await") {
      if (span.width < 4) return [];
      const line = shape("path", { d: `M${(span.x + 3).toFixed(1)} 40H${(span.x + span.width - 3).toFixed(1)}`, class: "afc-wait" });
      return span.label ? [line, words(middle, 44, 12, "afc-muted afc-halo")] : [line];
    }
    const width = Math.max(0.8, span.width - 1);
    const bar = shape("rect", { x: span.x, y: 27, width, height: 26, rx: 3, class: "afc-span", "data-kind": span.kind });
    if (span.open) this.growing.push({ element: bar, start: span.start, x: span.x, height: 26 });
    return span.label ? [bar, words(middle, 44, 12, `afc-on-${span.kind} afc-bold`)] : [bar];
  }

  /** @param {View} view @param {SVGElement} layer @param {number} top @param {number} bottom */
  drawGround(view, layer, top, bottom) {
    const { scale } = /** @type {Frame} */ (this.frame);
    const washes = view.overlap.map(([start, end]) => {
      const x = position(scale, start);
      const wash = shape("rect", { x, y: top, width: position(scale, end ?? this.clock) - x, height: bottom - top, class: "afc-overlap" });
      if (end === null) this.growing.push({ element: wash, start, x, height: bottom - top });
      return wash;
    });
    const most = Math.max(2, Math.floor((scale.right - scale.left) / 66));
    const lines = ticks(scale.domain, most).map(({ at }) =>
      shape("path", { d: `M${position(scale, at).toFixed(1)} ${top}V${bottom}`, class: "afc-line" }),
    );
    layer.replaceChildren(...washes, ...lines, ...(top === 0 ? this.strips(view) : []));
  }

  /** @param {View} view */
  strips(view) {
    const { scale, rowHeight, barHeight } = /** @type {Frame} */ (this.frame);
    const [first, last] = this.visible(view);
    return view.rows.slice(first, last).map((_, offset) => {
      const y = rowHeight * (first + offset) + (rowHeight - barHeight) / 2;
      return shape("rect", { x: scale.left, y, width: scale.right - scale.left, height: barHeight, rx: 4, class: "afc-strip" });
    });
  }

  /** The rows that can be seen, and some around them: only they have elements. @param {View} view @returns {[number, number]} */
  visible(view) {
    const { rowHeight } = /** @type {Frame} */ (this.frame);
    const first = Math.floor(this.scroller.scrollTop / rowHeight) - 20;
    const last = Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / rowHeight) + 20;
    return [Math.max(0, first), Math.min(view.rows.length, Math.max(last, first + 80))];
  }

  /** @param {View} view */
  drawRows(view) {
    const current = /** @type {Frame} */ (this.frame);
    const [first, last] = this.visible(view);
    const wanted = new Set();
    for (let index = first; index < last; index += 1) {
      const row = view.rows[index];
      wanted.add(row.future);
      const placed = layoutRow(row, current, this.clock, this.measure);
      // What only grows is not drawn anew: its width follows the clock.
      const fixed = placed.segments.map((segment) => ({ ...segment, width: segment.open ? null : segment.width }));
      const key = JSON.stringify([placed.label, placed.why, placed.seen, fixed, row.state, row.critical, index, current]);
      let drawn = this.drawnRows.get(row.future);
      if (drawn === undefined) {
        drawn = { element: shape("g", { class: "asyncfc-row", role: "listitem", tabindex: "0", "data-future": row.future }), key: "" };
        this.drawnRows.set(row.future, drawn);
        this.bars.append(drawn.element);
      }
      if (drawn.key !== key) {
        drawn.key = key;
        drawn.element.dataset.state = row.state;
        drawn.element.setAttribute("transform", `translate(0 ${current.rowHeight * index})`);
        drawn.element.setAttribute("aria-label", tell(row, this.clock).map(([, text]) => text).join("; "));
        morph(drawn.element, this.drawRow(row, placed, current));
      }
      for (const bar of drawn.element.querySelectorAll("[data-open]")) {
        this.growing.push({ element: bar, start: 0, x: Number(bar.getAttribute("x")), height: 0 });
      }
    }
    for (const [future, { element }] of this.drawnRows) {
      if (!wanted.has(future)) {
        element.remove();
        this.drawnRows.delete(future);
      }
    }
  }

  /** @param {Row} row @param {ReturnType<typeof layoutRow>} placed @param {Frame} current */
  drawRow(row, placed, current) {
    const { scale, size, rowHeight, barHeight, narrow } = current;
    const middle = rowHeight / 2;
    const base = middle + 4;
    const parts = [shape("rect", { x: 0, y: 0, width: scale.right, height: rowHeight, class: "afc-hit" })];
    const start = /** @type {const} */ ("start");
    parts.push(words({ text: row.future, x: 0, anchor: start, inside: false }, base, size + 0.5, "afc-ink afc-bold"));
    if (!narrow) {
      const tool = fit(row.tool, size + 0.5, scale.left - current.names - 10, this.measure);
      parts.push(words({ text: tool, x: current.names, anchor: start, inside: false }, base, size + 0.5, "afc-muted"));
    }
    for (const segment of placed.segments) parts.push(...this.drawSegment(segment, row.critical, middle, barHeight));
    if (placed.why !== null) parts.push(words(placed.why, base, size, "afc-muted afc-halo"));
    if (placed.label !== null) {
      const kind = row.segments.at(-1)?.kind ?? "";
      const plain = row.state === "failed" || row.state === "skipped" ? "afc-problem afc-halo" : "afc-muted afc-halo";
      parts.push(words(placed.label, base, size, placed.label.inside && !WAITS.has(kind) ? `afc-on-${kind}` : plain));
    }
    if (placed.seen !== null) parts.push(shape("circle", { cx: placed.seen, cy: middle, r: Math.min(4, barHeight / 2 - 1), class: "afc-seen" }));
    return parts;
  }

  /** @param {ReturnType<typeof layoutRow>["segments"][number]} segment @param {boolean} critical @param {number} middle @param {number} height */
  drawSegment({ kind, open, mark, x, width }, critical, middle, height) {
    if (mark) {
      const leap = sign(kind, x + 7, middle, false);
      leap.classList.add("asyncfc-segment");
      return [leap];
    }
    const waits = WAITS.has(kind);
    const tall = waits ? height * 0.72 : height;
    const inset = critical && !waits ? 0.8 : 0;
    const bar = shape("rect", {
      x: x + inset,
      y: middle - tall / 2 + inset,
      width: Math.max(waits ? 0 : 1.5, width - 2 * inset),
      height: tall - 2 * inset,
      rx: waits ? 3 : 4,
      class: critical && !waits ? "asyncfc-segment afc-critical" : "asyncfc-segment",
      "data-kind": kind,
    });
    if (waits) bar.setAttribute("fill", `url(#${this.id}-${kind})`);
    if (open) bar.dataset.open = "";
    const signed = (kind === "failed" || kind === "cancelled") && width >= 18;
    return signed ? [bar, sign(kind, x + width - 10, middle, true)] : [bar];
  }

  /** @param {View} view */
  drawLegend(view) {
    const kinds = new Set([...view.decode.map((span) => span.kind), ...view.rows.flatMap((row) => row.segments.map((s) => s.kind))]);
    if (view.rows.some((row) => row.seen !== null)) kinds.add("seen");
    if (view.rows.some((row) => row.critical)) kinds.add("critical");
    if (view.overlap.length > 0) kinds.add("overlap");
    const key = [...kinds].sort().join(" ");
    if (this.legend.dataset.key === key) return;
    this.legend.dataset.key = key;
    this.legend.replaceChildren(
      ...LEGEND.filter(([kind]) => kinds.has(kind)).map(([kind, label]) => {
        const item = box("div", "afc-key");
        item.append(shape("svg", { width: 18, height: 12, "aria-hidden": "true" }, this.keySign(kind)), label);
        return item;
      }),
    );
  }

  /** @param {string} kind */
  keySign(kind) {
    if (kind === "seen") return [shape("circle", { cx: 9, cy: 6, r: 4, class: "afc-seen" })];
    if (kind === "skipped") return [sign("skipped", 9, 6, false)];
    if (kind === "critical") return [shape("rect", { x: 1, y: 1, width: 16, height: 10, rx: 3, fill: "none", class: "afc-critical" })];
    if (kind === "overlap") return [shape("rect", { width: 18, height: 12, rx: 3, class: "afc-overlap" })];
    const bar = shape("rect", { width: 18, height: 12, rx: 3, class: "afc-span", "data-kind": kind });
    if (WAITS.has(kind)) bar.setAttribute("fill", `url(#${this.id}-${kind})`);
    return kind === "failed" || kind === "cancelled" ? [bar, sign(kind, 9, 6, true)] : [bar];
  }

  // -- the tooltip --

  /** @param {EventTarget|null} target @param {number} x @param {number} y */
  hover(target, x, y) {
    const element = target instanceof Element ? target.closest("[data-future]") : null;
    const row = this.view?.rows.find(({ future }) => future === element?.getAttribute("data-future"));
    if (row === undefined) this.hideTip();
    else this.showTip(row, x, y);
  }

  /** @param {EventTarget|null} target */
  focus(target) {
    if (!(target instanceof Element)) return;
    const bar = target.querySelector(".asyncfc-segment") ?? target;
    const { left, bottom } = bar.getBoundingClientRect();
    this.hover(target, left, bottom);
  }

  /** @param {Row} row @param {number} x @param {number} y */
  showTip(row, x, y) {
    this.tip.replaceChildren(...tell(row, this.clock).map(([style, text]) => box("div", `afc-tell-${style}`, text)));
    this.tip.hidden = false;
    const frame = this.root.getBoundingClientRect();
    const { width, height } = this.tip.getBoundingClientRect();
    const left = Math.max(4, Math.min(x - frame.left + 14, frame.width - width - 4));
    const below = y - frame.top + 16;
    const top = y + 16 + height > window.innerHeight && y - height - 12 > 0 ? y - frame.top - height - 12 : below;
    this.tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hideTip() {
    this.tip.hidden = true;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") this.hideTip();
    else if (step !== undefined && event.target instanceof Element && event.target.matches("[data-future]")) {
      const index = this.view?.rows.findIndex(({ future }) => future === event.target.getAttribute("data-future")) ?? -1;
      const next = this.view?.rows[index + step];
      const drawn = next === undefined ? undefined : this.drawnRows.get(next.future);
      if (drawn !== undefined) {
        drawn.element.focus();
        event.preventDefault();
        event.stopPropagation();
      }
    }
  }

  destroy() {
    cancelAnimationFrame(this.frameRequest);
    this.resized.disconnect();
    this.root.remove();
  }
}

/**
 * Draw a view that will not change.
 * @param {HTMLElement} host
 * @param {View} view
 */
export function mount(host, view) {
  const timeline = new Timeline(host);
  timeline.setView(view, false);
  return () => timeline.destroy();
}

/**
 * @param {{model: any, el: HTMLElement}} context
 */
function render({ model, el }) {
  const timeline = new Timeline(el);
  const replace = () => timeline.setView(model.get("view"), false);
  const receive = (/** @type {any} */ message) => {
    if (message.type === "bars") timeline.change(message);
    else if (message.type === "snapshot") timeline.setView(message.view, true);
  };
  replace();
  model.on("change:view", replace);
  model.on("msg:custom", receive);
  // What the model holds is as old as its last synchronisation: a view that opens in the middle of a run asks for more.
  if (model.get("view").live) model.send({ type: "hello" });
  return () => {
    model.off("change:view", replace);
    model.off("msg:custom", receive);
    timeline.destroy();
  };
}

export default { render };
