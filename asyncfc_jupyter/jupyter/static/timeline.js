// @ts-check
/**
 * The live timeline. Python computes, this draws: what arrives is a view (see `trace/view.py`, where the wire format is
 * stated), first whole, then as changes in batches. Between batches only what is still open grows, by the clock.
 *
 * A notebook takes one module, so `trace/html.py` joins the files in the order layout, elements, timeline, without the
 * imports between them: their names must differ.
 *
 * @typedef {import("./layout.js").Row} Row
 * @typedef {import("./layout.js").View} View
 * @typedef {import("./layout.js").Changes} Changes
 * @typedef {import("./layout.js").Frame} Frame
 */

import { box, morph, ruler, shape, sign, words } from "./elements.js";
import {
  WAITS, applyChanges, arrows, fit, frame, layoutDecode, layoutRow, liveDomain, position, showSeconds, tell, ticks,
} from "./layout.js";

/** Python reports at least once a second while a run goes on. When it has been silent for this long, in seconds, the
 * kernel is blocked or gone, and growing on would be invention. */
const SILENCE_S = 4;
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

let instances = 0;

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
    // Plain boxes with roles: notebooks style headings, lists and definitions in ways of their own.
    this.title = box("div", "afc-title");
    this.subtitle = box("div", "afc-subtitle");
    this.figures = box("div", "afc-figures");
    this.lane = shape("svg", { class: "afc-lane", role: "img" });
    this.scroller = box("div", "afc-rows");
    this.ground = shape("g");
    this.bars = shape("g");
    this.links = shape("g");
    this.nowLine = shape("path", { class: "afc-now" });
    const patterns = ["data", "hazard", "limit"].map((kind) => this.pattern(kind));
    const body = [shape("defs", {}, patterns), this.ground, this.links, this.bars, this.nowLine];
    this.rows = shape("svg", { role: "list", "aria-label": "futures" }, body);
    this.legend = box("div", "afc-legend");
    this.tip = box("div", "afc-tip");
    this.assemble();
    this.listen();
    host.append(this.root);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.root);
  }

  assemble() {
    this.title.setAttribute("role", "heading");
    this.title.setAttribute("aria-level", "3");
    const texts = box("div", "afc-texts");
    texts.append(this.title, this.subtitle);
    const head = box("header", "afc-head");
    head.append(texts, this.figures);
    this.scroller.append(this.rows);
    this.tip.setAttribute("role", "tooltip");
    this.tip.hidden = true;
    this.root.append(head, this.lane, this.scroller, this.legend, this.tip);
  }

  listen() {
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
    const held = event.target;
    if (event.key === "Escape") this.hideTip();
    else if (step !== undefined && held instanceof Element && held.matches("[data-future]")) {
      const index = this.view?.rows.findIndex(({ future }) => future === held.getAttribute("data-future")) ?? -1;
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
