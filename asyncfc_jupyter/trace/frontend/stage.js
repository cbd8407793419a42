// @ts-check
/**
 * What is on the page, and when it is drawn again. Python computes, this draws: what arrives is a view (see `format.js`), first whole, then as changes in
 * batches. Between batches only what is still open grows, by the clock.
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

import { Bar, Card, KEYS_IN_WORDS, Keys, Questions, Table } from "./controls.js";
import { box, keepKeys, ruler, say } from "./elements.js";
import { applyChanges, storyOf } from "./format.js";
import { readInk } from "./ink.js";
import { drawScene } from "./image.js";
import { stack } from "./layout.js";
import { Legend } from "./legend.js";
import { Painter } from "./paint.js";
import { matches } from "./tell.js";
import { MARGIN, liveDomain, position, showSeconds } from "./time.js";

/** Python reports at least once a second while a run goes on. When it has been silent for this long, in seconds, the
 * kernel is blocked or gone, and growing on would be invention. */
const SILENCE_S = 4;
/** The picture grows to this height, in pixels, and scrolls beyond. */
const TALLEST = 640;
/** Pixels of the printed picture for each of the page. */
const PAPER_RATIO = 3;

export class Stage {
  /** @param {HTMLElement} host @param {Act|null} act what a button does; nothing where nobody listens */
  constructor(host, act) {
    this.act = act;
    /** @type {View|Comparison|null} */
    this.view = null;
    /** @type {Story|null} */
    this.story = null;
    /** @type {Sheet|null} */
    this.sheet = null;
    /** The seconds that the person chose to see; null for all of them. @type {Window|null} */
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
    /** Where the pointer rests, if it is over a future. @type {PointerEvent|null} */
    this.resting = null;
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    /** @type {Act} */
    const tell = act ?? (() => undefined);
    this.root = box("section", "asyncfc-timeline");
    this.questions = new Questions((action) => {
      tell(action);
      this.takeFocus();  // its buttons are done with
    });
    this.title = box("div", "afc-title");
    this.subtitle = box("div", "afc-subtitle");
    this.figures = box("div", "afc-figures");
    this.bar = new Bar(this.does());
    this.keys = new Keys();
    this.scroller = box("div", "afc-view");
    this.canvas = /** @type {HTMLCanvasElement} */ (box("canvas", "afc-canvas"));
    this.spacer = box("div", "afc-spacer");
    this.marker = box("div", "afc-marker");
    this.card = new Card(tell, () => this.pin(null));
    this.legend = new Legend();
    this.table = new Table();
    this.voice = box("div", "afc-voice");
    this.tip = box("div", "afc-tip");
    this.family = "sans-serif";
    this.measure = ruler(() => this.family);
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.painter = new Painter(context, this.measure);
    this.ratio = 0;
    this.painted = -1;
    this.asked = false;
    this.leaving = new AbortController();
    this.resized = new ResizeObserver(() => this.draw());
    this.themed = new MutationObserver(() => this.readTheme());
    this.assemble(host);
    this.watch();
  }

  /** @param {HTMLElement} host */
  assemble(host) {
    // Plain boxes with roles: notebooks style headings, lists and definitions in ways of their own.
    this.title.setAttribute("role", "heading");
    this.title.setAttribute("aria-level", "3");
    const texts = box("div", "afc-texts");
    texts.append(this.title, this.subtitle);
    const head = box("header", "afc-head");
    head.append(texts, this.figures);
    this.scroller.tabIndex = 0;
    for (const element of [this.scroller, this.bar.search, this.bar.tool, this.table.summary]) keepKeys(element);
    this.scroller.setAttribute("role", "group");
    this.canvas.setAttribute("aria-hidden", "true");
    this.scroller.append(this.canvas, this.spacer, this.marker);
    this.table.root.addEventListener("toggle", () => this.draw());
    this.voice.setAttribute("aria-live", "polite");
    this.tip.setAttribute("role", "tooltip");
    this.tip.popover = "manual";
    this.tip.hidden = true;
    const { questions, bar, keys, scroller, card, legend, table, voice, tip } = this;
    this.root.append(questions.root, head, bar.root, keys.root, scroller, card.root, legend.root, table.root, voice, tip);
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
    this.listen(signal);
  }

  /** What the buttons do. @returns {import("./controls.js").Does} */
  does() {
    const nothing = () => undefined;
    return {
      search: nothing, fit: nothing, zoom: nothing, follow: nothing, lanes: nothing, copy: nothing, keys: nothing, cancel: nothing,
    };
  }

  /** Hear the pointer and the keyboard. @param {AbortSignal} _signal */
  listen(_signal) {}

  /** @param {string|null} _key */
  pin(_key) {}

  /** Move the chosen window with the present. */
  follows() {}

  // -- news --

  /** @param {View|Comparison} view @param {boolean} fresh whether it has just come from a kernel */
  setView(view, fresh) {
    this.view = view;
    this.story = storyOf(view);
    if (this.story === null) {
      say(this.title, "This timeline was made by another version of asyncfc-jupyter: reload the page.");
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
    // A picture whose bars would grow by a part of a pixel stays.
    if (this.asked || rest !== 0 || Math.abs(grown) >= 0.5) this.paint();
    const clock = this.figures.querySelector("[data-clock]");
    if (clock !== null) say(clock, showSeconds(this.clock));
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

  /** Put the whole picture, in the colours of paper, in the place of what a screen shows of it. */
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
    this.drawHead(story);
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
  }

  /** Keep the keyboard here: a notebook takes keys that go nowhere for commands of its own. */
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
    // More lies below: the picture fades out instead of being cut.
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

  /** @param {Story} story */
  drawHead(story) {
    say(this.title, story.title);
    say(this.subtitle, story.subtitle);
    const key = JSON.stringify(story.figures.map(({ value, label, clock }) => [clock ? "" : value, label]));
    if (this.figures.dataset.key === key) return;
    this.figures.dataset.key = key;
    this.figures.replaceChildren(
      ...story.figures.map((figure) => {
        const pair = box("div", "afc-figure");
        const value = box("div", "afc-value", figure.clock ? showSeconds(this.clock) : figure.value);
        if (figure.clock) value.dataset.clock = "";
        pair.append(value, box("div", "afc-label", figure.label));
        return pair;
      }),
    );
  }

  destroy() {
    cancelAnimationFrame(this.frameRequest);
    this.leaving.abort();
    this.resized.disconnect();
    this.themed.disconnect();
    this.root.remove();
  }
}
