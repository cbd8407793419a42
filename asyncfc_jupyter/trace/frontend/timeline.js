// @ts-check
/**
 * The timeline on the page, and what a user can do with it. Python computes and this draws: a view (see `format.js`) arrives whole
 * first, then as changes in batches. Between batches only open bars grow, by the clock.
 *
 * @typedef {import("./controls.js").Act} Act
 * @typedef {import("./format.js").Changes} Changes
 * @typedef {import("./format.js").Comparison} Comparison
 * @typedef {import("./format.js").Row} Row
 * @typedef {import("./format.js").Story} Story
 * @typedef {import("./format.js").View} View
 * @typedef {import("./layout.js").Sheet} Sheet
 * @typedef {import("./paint.js").Scene} Scene
 * @typedef {import("./time.js").Window} Window
 */

import { Bar, Card, Head, KEYS_IN_WORDS, Keys, Questions, Table } from "./controls.js";
import { box, keepKeys, ruler, say } from "./elements.js";
import { applyChanges, storyOf } from "./format.js";
import { copyImage, drawScene } from "./image.js";
import { readInk } from "./ink.js";
import { extent } from "./lanes.js";
import { AXIS, keyOf, stack } from "./layout.js";
import { Legend } from "./legend.js";
import { Painter } from "./paint.js";
import { Pointer } from "./pointer.js";
import { cells, matches } from "./describe.js";
import { MARGIN, liveDomain, pan, position, zoom } from "./time.js";

/** Python reports at least once a second during a run. After a silence of so many seconds the kernel is taken to be blocked or
 * gone, and the picture stops growing. */
const SILENCE_S = 4;
/** The picture grows to this height, in pixels, and scrolls beyond. */
const TALLEST = 640;
/** Pixels of the printed picture for each of the page. */
const PAPER_RATIO = 3;

export class Timeline {
  /** @param {HTMLElement} host @param {Act|null} act what a button does; null where no kernel listens */
  constructor(host, act) {
    this.act = act;
    /** @type {View|Comparison|null} */
    this.view = null;
    /** @type {Story|null} */
    this.story = null;
    /** @type {Sheet|null} */
    this.sheet = null;
    /** The seconds that the user chose to see; null for all of them. @type {Window|null} */
    this.chosen = null;
    /** @type {boolean|null} */
    this.packed = null;
    this.following = true;
    this.domain = 0;
    this.drawnDomain = 0;
    /** When the last news came, and what time it was in the run then. @type {{now: number, at: number}|null} */
    this.anchor = null;
    this.clock = 0;
    this.frameRequest = 0;
    /** @type {string|null} */
    this.hovered = null;
    /** @type {string|null} */
    this.pinned = null;
    /** @type {HTMLCanvasElement|null} */
    this.paper = null;
    /** @type {WeakMap<View, Map<string, Row>>} */
    this.index = new WeakMap();
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    /** @type {Act} */
    const report = act ?? (() => undefined);
    this.root = box("section", "asyncfc-timeline");
    this.questions = new Questions((action) => {
      report(action);
      this.takeFocus();  // its buttons are done with
    });
    this.head = new Head();
    this.bar = new Bar({
      search: () => this.draw(),
      fit: () => this.fit(),
      zoom: (factor) => this.zoomBy(factor),
      follow: () => this.follow(),
      lanes: () => this.switchLanes(),
      copy: () => void this.copy(),
      keys: () => this.showKeys(),
      cancel: () => this.act?.({ type: "cancel-run" }),
    });
    this.keys = new Keys();
    this.scroller = box("div", "afc-view");
    this.canvas = /** @type {HTMLCanvasElement} */ (box("canvas", "afc-canvas"));
    this.spacer = box("div", "afc-spacer");
    this.marker = box("div", "afc-marker");
    this.card = new Card(report, () => this.pin(null));
    this.legend = new Legend();
    this.table = new Table();
    this.voice = box("div", "afc-voice");
    this.family = "sans-serif";
    this.measure = ruler(() => this.family);
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.painter = new Painter(context, this.measure);
    this.ratio = 0;
    this.painted = -1;
    this.asked = false;
    this.leaving = new AbortController();
    this.pointer = new Pointer(this, this.leaving.signal);
    this.resized = new ResizeObserver(() => this.draw());
    this.themed = new MutationObserver(() => this.readTheme());
    this.assemble(host);
    this.watch();
  }

  /** @param {HTMLElement} host */
  assemble(host) {
    this.scroller.tabIndex = 0;
    for (const element of [this.scroller, this.bar.search, this.bar.tool, this.table.summary]) keepKeys(element);
    this.scroller.setAttribute("role", "group");
    this.canvas.setAttribute("aria-hidden", "true");
    this.scroller.append(this.canvas, this.spacer, this.marker);
    this.table.root.addEventListener("toggle", () => this.draw());
    this.voice.setAttribute("aria-live", "polite");
    const { questions, head, bar, keys, scroller, card, legend, table, voice, pointer } = this;
    this.root.append(questions.root, head.root, bar.root, keys.root, scroller, card.root, legend.root, table.root, voice, pointer.tip);
    host.append(this.root);
  }

  watch() {
    const { signal } = this.leaving;
    this.resized.observe(this.root);
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "class"] });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.readTheme(), { signal });
    this.scroller.addEventListener("scroll", () => this.request(), { passive: true, signal });
    window.addEventListener("beforeprint", () => this.forPaper(), { signal });
    window.addEventListener("afterprint", () => this.fromPaper(), { signal });
    this.scroller.addEventListener("dblclick", () => this.fit(), { signal });
    this.root.addEventListener("keydown", (event) => this.key(event), { signal });
  }

  // -- news --

  /** @param {View|Comparison} view @param {boolean} fresh whether it has just come from a kernel */
  setView(view, fresh) {
    this.view = view;
    this.story = storyOf(view);
    if (this.story === null) {
      say(this.head.title, "This timeline was made by another version of asyncfc-jupyter: reload the page.");
      return;
    }
    this.news(fresh);
  }

  /** Forget what belonged to the run that was shown. */
  restart() {
    this.clock = this.domain = this.drawnDomain = 0;
    this.anchor = this.chosen = this.hovered = this.pinned = null;
  }

  /** @param {Changes} changes */
  change(changes) {
    if (this.view === null || "runs" in this.view) return;
    this.setView(applyChanges(this.view, changes), true);
  }

  /** @param {boolean} fresh */
  news(fresh) {
    const story = /** @type {Story} */ (this.story);
    const now = Math.max(...story.runs.map(({ view }) => view.now));
    if (fresh && story.live) this.anchor = { now, at: performance.now() };
    this.clock = story.live ? Math.max(now, this.clock) : now;
    this.domain = story.live ? liveDomain(this.clock, this.domain) : Math.max(story.span, 0.001) * (1 + MARGIN);
    if (this.drawnDomain === 0 || this.still.matches) this.drawnDomain = this.domain;
    this.draw();
    this.schedule();
  }

  // -- time --

  request() {
    this.asked = true;
    if (this.frameRequest === 0) this.frameRequest = requestAnimationFrame(() => this.tick());
  }

  schedule() {
    const moving = this.drawnDomain !== this.domain || (this.anchor !== null && this.story?.live && !this.still.matches);
    if (moving && this.frameRequest === 0) this.frameRequest = requestAnimationFrame(() => this.tick());
  }

  tick() {
    this.frameRequest = 0;
    if (this.story === null || !this.root.isConnected) return;
    let silent = false;
    if (this.story.live && this.anchor !== null && !this.still.matches) {
      const since = (performance.now() - this.anchor.at) / 1000;
      silent = since > SILENCE_S;
      if (!silent) this.clock = Math.max(this.clock, this.anchor.now + since);
      this.domain = liveDomain(this.clock, this.domain);
    }
    const rest = this.domain - this.drawnDomain;
    if (rest !== 0) this.drawnDomain = Math.abs(rest) < 0.004 * this.domain ? this.domain : this.drawnDomain + rest * 0.2;
    const grown = position(this.scale, this.clock) - this.painted;
    // A picture whose bars would grow by less than half a pixel is not painted again.
    if (this.asked || rest !== 0 || Math.abs(grown) >= 0.5) this.paint();
    this.head.showClock(this.clock);
    if (!silent) this.schedule();
  }

  get whole() {
    return Math.max(this.drawnDomain, 0.001);
  }

  get scale() {
    const width = this.scroller.clientWidth;
    const left = this.sheet?.left ?? 0;
    const { start, end } = this.chosen ?? { start: 0, end: this.whole };
    return { left, right: Math.max(left + 40, width - 2), start, end };
  }

  // -- drawing --

  /** Replace the visible part of the picture with the whole of it, in the colours of paper. */
  forPaper() {
    if (this.story === null || this.sheet === null || this.paper !== null) return;
    this.root.dataset.paper = "";
    const ink = readInk(this.root, this.painter.context, PAPER_RATIO);
    const scene = { ...this.scene(this.scroller.clientWidth, this.sheet.height, 0), focus: null };
    this.paper = drawScene(scene, ink, this.measure, PAPER_RATIO);
    this.paper.className = "afc-paper";
    this.paper.setAttribute("aria-hidden", "true");
    this.scroller.before(this.paper);
    this.legend.show(this.story, this.sheet.packed, ink, PAPER_RATIO);
  }

  fromPaper() {
    delete this.root.dataset.paper;
    this.paper?.remove();
    this.paper = null;
    this.draw();
  }

  readTheme() {
    this.painter.ink = readInk(this.root, this.painter.context, window.devicePixelRatio || 1);
    this.ratio = window.devicePixelRatio || 1;
    this.family = this.painter.ink.family;
    this.draw();
  }

  draw() {
    const { story } = this;
    if (story === null || this.scroller.clientWidth < 80) return;
    if (this.ratio !== (window.devicePixelRatio || 1)) return this.readTheme();
    const held = this.root.contains(document.activeElement);
    this.root.dataset.live = String(story.live);
    this.scroller.setAttribute("aria-label", `${story.title}; ${story.subtitle}. ${KEYS_IN_WORDS}`);
    this.head.show(story, this.clock);
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    const atEnd = story.live && this.following && scrollTop + clientHeight >= scrollHeight - 4;
    this.sheet = stack(story, this.scroller.clientWidth, this.packed, this.measure);
    const height = Math.min(TALLEST, this.sheet.height);
    this.scroller.style.height = `${height}px`;
    this.spacer.style.height = `${this.sheet.height}px`;
    if (atEnd) this.scroller.scrollTop = this.sheet.height;
    this.questions.show(story.runs.flatMap(({ view }) => (view.live ? view.rows.filter((row) => row.asks !== undefined) : [])), this.act !== null);
    this.bar.show(story, this.act !== null, this.sheet.packed, this.following && this.chosen === null);
    const filter = this.filter();
    const found = filter === null ? "" : `${story.runs.reduce((sum, { view }) => sum + view.rows.filter(filter).length, 0)} found`;
    say(this.bar.found, found);
    this.card.show(this.rowAt(this.pinned), this.presentOf(this.pinned), this.act !== null && story.live);
    this.legend.show(story, this.sheet.packed, this.painter.ink, this.ratio);
    this.table.show(story, filter ?? (() => true), this.clock, JSON.stringify([this.bar.search.value, this.bar.tool.value]));
    this.paint();
    if (held && (!this.root.contains(document.activeElement) || document.activeElement?.closest("[hidden]"))) this.takeFocus();
    this.pointer.pointAgain();
  }

  /** Keep the keyboard's focus here: a notebook takes keys without a target for its own commands. */
  takeFocus() {
    this.scroller.focus({ preventScroll: true });
  }

  paint() {
    const { story, sheet } = this;
    if (story === null || sheet === null) return;
    this.asked = false;
    this.follows();
    const { clientWidth: width, clientHeight: height, scrollTop } = this.scroller;
    const ratio = this.ratio || 1;
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== tall) {
      [this.canvas.width, this.canvas.height] = [wide, tall];
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    this.painter.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.painter.paint(this.scene(width, height, scrollTop));
    this.painted = position(this.scale, this.clock);
    // If there is more below, the picture fades out instead of being cut.
    this.scroller.toggleAttribute("data-more", scrollTop + height < sheet.height - 4);
  }

  /** @param {number} width @param {number} height @param {number} scroll @returns {Scene} */
  scene(width, height, scroll) {
    const filter = this.filter();
    return {
      story: /** @type {Story} */ (this.story),
      sheet: /** @type {Sheet} */ (this.sheet),
      scale: this.scale,
      scroll,
      width,
      height,
      clock: this.clock,
      focus: this.hovered ?? this.pinned,
      isDim: filter === null ? () => false : (row) => !filter(row),
      rowsOf: (run) => this.rowsOf(run),
    };
  }

  /** Which futures are looked for; null when nothing is. @returns {((row: Row) => boolean)|null} */
  filter() {
    const [search, tool] = [this.bar.search.value.trim(), this.bar.tool.value];
    return search === "" && tool === "" ? null : (row) => matches(row, search, tool);
  }

  /** @param {number} run */
  rowsOf(run) {
    const view = /** @type {Story} */ (this.story).runs[run].view;
    let rows = this.index.get(view);
    if (rows === undefined) {
      rows = new Map(view.rows.map((row) => [row.future, row]));
      this.index.set(view, rows);
    }
    return rows;
  }

  /** @param {string|null} key @returns {Row|null} */
  rowAt(key) {
    if (key === null || this.story === null) return null;
    const space = key.indexOf(" ");
    const run = Number(key.slice(0, space));
    return run < this.story.runs.length ? (this.rowsOf(run).get(key.slice(space + 1)) ?? null) : null;
  }

  /** @param {string|null} key */
  presentOf(key) {
    const view = this.story?.runs[Number(key?.split(" ")[0] ?? 0)]?.view;
    return view === undefined || view.live ? this.clock : view.span;
  }

  // -- moving --

  fit() {
    this.chosen = null;
    this.following = true;
    this.draw();
  }

  follow() {
    this.following = this.chosen !== null || !this.following;
    if (this.chosen !== null && this.story?.live !== true) this.chosen = null;
    this.draw();
  }

  /** A chosen window moves with the present, when it is followed. */
  follows() {
    if (this.chosen === null || !this.following || this.story?.live !== true) return;
    const length = this.chosen.end - this.chosen.start;
    const start = Math.max(0, this.clock - 0.8 * length);
    this.chosen = { start, end: start + length };
  }

  switchLanes() {
    this.packed = !(this.sheet?.packed ?? false);
    this.scroller.scrollTop = 0;
    this.draw();
  }

  showKeys() {
    this.keys.root.hidden = !this.keys.root.hidden;
    this.bar.keys.setAttribute("aria-expanded", String(!this.keys.root.hidden));
  }

  /** @param {Window} window */
  choose(window) {
    this.chosen = window.start <= 0 && window.end >= this.whole ? null : window;
    this.request();
  }

  /** @param {number} factor @param {number} [at] */
  zoomBy(factor, at) {
    const { start, end } = this.scale;
    const live = this.story?.live && this.following;
    this.choose(zoom({ start, end }, factor, at ?? (live ? this.clock : (start + end) / 2), this.whole));
  }

  /** @param {number} seconds */
  panBy(seconds) {
    if (this.chosen === null) return;
    this.following = false;
    this.choose(pan(this.chosen, seconds, this.whole));
  }

  /** @param {string|null} key */
  pin(key) {
    this.pinned = key === this.pinned ? null : key;
    this.pointer.hideTip();
    this.draw();
  }

  // -- keys --

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Escape") {
      if (event.target === this.bar.search) this.bar.search.value = "";
      this.pinned = this.hovered = null;
      this.pointer.hideTip();
      this.draw();
      this.scroller.focus();
      return;
    }
    if (event.target !== this.scroller || event.ctrlKey || event.metaKey || event.altKey) return;
    const length = this.scale.end - this.scale.start;
    const does = /** @type {Record<string, () => void>} */ ({
      ArrowDown: () => this.walk(1),
      ArrowUp: () => this.walk(-1),
      ArrowRight: () => this.panBy(length / 8),
      ArrowLeft: () => this.panBy(-length / 8),
      "+": () => this.zoomBy(1.5),
      "=": () => this.zoomBy(1.5),
      "-": () => this.zoomBy(1 / 1.5),
      0: () => this.fit(),
      f: () => this.follow(),
      l: () => this.switchLanes(),
      c: () => void this.copy(),
      "/": () => this.bar.search.focus(),
      "?": () => this.showKeys(),
      Enter: () => this.pin(this.hovered),
      Delete: () => this.cancelFocused(),
    })[event.key];
    if (does === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }

  cancelFocused() {
    const row = this.rowAt(this.hovered ?? this.pinned);
    if (row !== null && this.story?.live && this.act !== null) this.act({ type: "cancel", future: row.future });
  }

  /** To the next future, of those looked for. @param {number} step */
  walk(step) {
    const { story, sheet } = this;
    if (story === null || sheet === null) return;
    const filter = this.filter() ?? (() => true);
    const keys = story.runs.flatMap(({ view }, run) => view.rows.filter(filter).map((row) => keyOf(run, row.future)));
    const at = keys.indexOf(this.hovered ?? this.pinned ?? "");
    const key = keys[at < 0 ? (step > 0 ? 0 : keys.length - 1) : Math.min(keys.length - 1, Math.max(0, at + step))];
    const row = this.rowAt(key ?? null);
    const strip = sheet.strips[sheet.at.get(key ?? "") ?? -1];
    if (row === null || strip === undefined) return;
    this.hovered = key;
    const head = sheet.fixed > 0 ? sheet.strips[0].top + sheet.strips[0].height : AXIS;
    if (strip.top < this.scroller.scrollTop + head) this.scroller.scrollTop = strip.top - head;
    const below = strip.top + strip.height - this.scroller.clientHeight;
    if (below > this.scroller.scrollTop) this.scroller.scrollTop = below;
    const [start] = extent(row);
    if (this.chosen !== null && (start < this.chosen.start || start > this.chosen.end)) {
      this.panBy(start - this.chosen.start - (this.chosen.end - this.chosen.start) / 4);
    }
    this.pointer.resting = null;
    this.marker.style.top = `${strip.top}px`;
    this.marker.style.height = `${strip.height}px`;
    this.marker.scrollIntoView({ block: "nearest" });
    say(this.voice, cells(row, this.presentOf(key)).filter(Boolean).join(", "));
    this.paint();
    const { left, top } = this.canvas.getBoundingClientRect();
    const x = Math.max(this.scale.left, Math.min(this.scale.right, position(this.scale, start)));
    this.pointer.showTip(this.pointer.tipLines(row, key), left + x, top + strip.top + strip.height - this.scroller.scrollTop - 12);
  }

  async copy() {
    const { story, sheet } = this;
    if (story === null || sheet === null) return;
    const scene = { ...this.scene(this.scroller.clientWidth, sheet.height, 0), focus: null };
    const done = await copyImage(scene, this.painter.ink, this.measure, this.legend.shown);
    say(this.bar.copy, done);
    setTimeout(() => say(this.bar.copy, "Copy"), 2000);
  }

  destroy() {
    cancelAnimationFrame(this.frameRequest);
    this.leaving.abort();
    this.resized.disconnect();
    this.themed.disconnect();
    this.root.remove();
  }
}
