// @ts-check
/**
 * What a person can do with the timeline: move through time, point, pin, search, and all of it by keys.
 *
 * @typedef {import("./format.js").Row} Row
 * @typedef {import("./time.js").Window} Window
 */

import { printed, storyLines } from "./controls.js";
import { box, say } from "./elements.js";
import { copyImage } from "./image.js";
import { AXIS, firstEnding, keyOf } from "./layout.js";
import { extent } from "./lanes.js";
import { Stage } from "./stage.js";
import { cells, tellSpan } from "./tell.js";
import { pan, position, timeAt, zoom } from "./time.js";

/** Lines of what a function printed, in the tooltip. */
const PRINTED_LINES = 3;

export class Timeline extends Stage {
  /** @override */
  does() {
    return {
        search: () => this.draw(),
        fit: () => this.fit(),
        zoom: (/** @type {number} */ factor) => this.zoomBy(factor),
        follow: () => this.follow(),
        lanes: () => this.switchLanes(),
        copy: () => void this.copy(),
        keys: () => this.showKeys(),
        cancel: () => this.act?.({ type: "cancel-run" }),
    };
  }

  /** @override @param {AbortSignal} signal */
  listen(signal) {
    this.scroller.addEventListener("wheel", (event) => this.wheel(event), { passive: false, signal });
    this.scroller.addEventListener("pointerdown", (event) => this.grab(event), { signal });
    this.scroller.addEventListener("pointermove", (event) => this.point(event), { signal });
    this.scroller.addEventListener("scroll", () => this.pointAgain(), { passive: true, signal });
    this.scroller.addEventListener("pointerleave", () => this.leave(), { signal });
    this.scroller.addEventListener("dblclick", () => this.fit(), { signal });
    this.scroller.addEventListener("blur", () => this.leave(), { signal });
    this.root.addEventListener("keydown", (event) => this.key(event), { signal });
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

  /** @override A chosen window moves with the present, when it is followed. */
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

  /** @param {WheelEvent} event */
  wheel(event) {
    const { scale } = this;
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.ctrlKey || event.metaKey || event.altKey) {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * unit * 0.004), timeAt(scale, this.inside(event)[0]));
    } else {
      // Some browsers turn the wheel themselves when Shift is held.
      const by = (event.deltaX || (event.shiftKey ? event.deltaY : 0)) * unit;
      if (by === 0 || this.chosen === null) return;
      event.preventDefault();
      this.panBy((by / (scale.right - scale.left)) * (scale.end - scale.start));
    }
  }

  /** @param {PointerEvent} event */
  grab(event) {
    if (event.button !== 0 || this.inside(event)[0] >= this.scroller.clientWidth) return;  // there is the scroll bar
    const begun = { x: event.clientX, y: event.clientY, window: this.chosen, scroll: this.scroller.scrollTop };
    let moved = false;
    const drag = new AbortController();
    const move = (/** @type {PointerEvent} */ now) => {
      const [dx, dy] = [now.clientX - begun.x, now.clientY - begun.y];
      moved ||= Math.hypot(dx, dy) > 4;
      if (!moved) return;
      const { left, right, start, end } = this.scale;
      this.scroller.scrollTop = begun.scroll - dy;
      if (begun.window === null) return;
      this.following = false;
      this.choose(pan(begun.window, (-dx / (right - left)) * (end - start), this.whole));
    };
    const drop = (/** @type {PointerEvent} */ now) => {
      drag.abort();
      if (!moved && now.type === "pointerup") this.pin(this.keyAt(now));
    };
    window.addEventListener("pointermove", move, { signal: drag.signal });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) window.addEventListener(end, drop, { signal: drag.signal });
  }

  // -- pointing --

  /** @override What the pointer rests on may have changed, or have become another. */
  draw() {
    super.draw();
    this.pointAgain();
  }

  pointAgain() {
    if (this.resting !== null && !this.tip.hidden) this.point(this.resting);
  }

  /** @param {MouseEvent} event @returns {[number, number]} */
  inside(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** The strip under a pixel of the canvas. @param {number} y */
  stripAt(y) {
    const { sheet } = this;
    if (sheet === null) return undefined;
    const fixed = sheet.strips[sheet.fixed - 1];
    if (y < (fixed === undefined ? AXIS : fixed.top + fixed.height)) return fixed !== undefined && y >= fixed.top ? fixed : undefined;
    const at = y + this.scroller.scrollTop;
    return sheet.strips.find((strip, index) => index >= sheet.fixed && at >= strip.top && at < strip.top + strip.height);
  }

  /** The future under the pointer. @param {MouseEvent} event @returns {string|null} */
  keyAt(event) {
    const [x, y] = this.inside(event);
    const strip = this.stripAt(y);
    if (strip?.kind === "row") return keyOf(strip.run, strip.rows[0].future);
    if (strip?.kind !== "lane") return null;
    const { scale } = this;
    const slack = ((scale.end - scale.start) / (scale.right - scale.left)) * 2;
    const time = timeAt(scale, x);
    const ends = strip.rows.map((row) => ({ end: extent(row)[1] }));
    const row = strip.rows[firstEnding(ends, time - slack)];
    return row !== undefined && extent(row)[0] <= time + slack ? keyOf(strip.run, row.future) : null;
  }

  /** @param {PointerEvent} event */
  point(event) {
    this.resting = event;
    const key = this.keyAt(event);
    const row = this.rowAt(key);
    if (key !== this.hovered) {
      this.hovered = key;
      this.request();
    }
    this.scroller.style.cursor = row !== null ? "pointer" : this.chosen !== null ? "grab" : "";
    if (row !== null) this.showTip(this.tipLines(row, key), event.clientX, event.clientY);
    else this.pointAtSpan(event);
  }

  /** @param {PointerEvent} event */
  pointAtSpan(event) {
    const [x, y] = this.inside(event);
    const strip = this.stripAt(y);
    const { scale, story } = this;
    if (strip?.kind !== "decode" || story === null || x < scale.left) return this.hideTip();
    const { view } = story.runs[strip.run];
    const span = view.decode[firstEnding(view.decode, timeAt(scale, x))];
    if (span === undefined || span.start > timeAt(scale, x)) return this.hideTip();
    this.showTip([box("div", "afc-name", tellSpan(span, view.live ? this.clock : view.span))], event.clientX, event.clientY);
  }

  /** The story of a future with the last of what it printed; all that is known of that is on the card. @param {Row} row @param {string|null} key */
  tipLines(row, key) {
    const lines = storyLines(row, this.presentOf(key));
    return row.prints ? [...lines, printed(row.prints.split("\n").slice(-PRINTED_LINES).join("\n"))] : lines;
  }

  leave() {
    this.resting = null;
    this.hovered = null;
    this.hideTip();
    this.request();
  }

  /** @override @param {string|null} key */
  pin(key) {
    this.pinned = key === this.pinned ? null : key;
    this.hideTip();
    this.draw();
  }

  /** @param {HTMLElement[]} lines @param {number} x @param {number} y */
  showTip(lines, x, y) {
    this.tip.replaceChildren(...lines);
    // Above everything: a notebook cuts off what an output shows beyond its own edge.
    if (this.tip.hidden) {
      this.tip.hidden = false;
      this.tip.showPopover();
    }
    const { width, height } = this.tip.getBoundingClientRect();
    const [widest, lowest] = [window.innerWidth - width - 4, window.innerHeight - height - 4];
    const below = y + 16;
    const top = below > lowest && y - height - 12 > 0 ? y - height - 12 : below;
    this.tip.style.left = `${Math.round(Math.max(4, Math.min(x + 14, widest)))}px`;
    this.tip.style.top = `${Math.round(Math.max(4, Math.min(top, lowest)))}px`;
  }

  hideTip() {
    if (this.tip.hidden) return;
    this.tip.hidePopover();
    this.tip.hidden = true;
  }

  // -- keys --

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Escape") {
      if (event.target === this.bar.search) this.bar.search.value = "";
      this.pinned = this.hovered = null;
      this.hideTip();
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
    this.resting = null;
    this.marker.style.top = `${strip.top}px`;
    this.marker.style.height = `${strip.height}px`;
    this.marker.scrollIntoView({ block: "nearest" });
    say(this.voice, cells(row, this.presentOf(key)).filter(Boolean).join(", "));
    this.paint();
    const { left, top } = this.canvas.getBoundingClientRect();
    const x = Math.max(this.scale.left, Math.min(this.scale.right, position(this.scale, start)));
    this.showTip(this.tipLines(row, key), left + x, top + strip.top + strip.height - this.scroller.scrollTop - 12);
  }

  async copy() {
    const { story, sheet } = this;
    if (story === null || sheet === null) return;
    const scene = { ...this.scene(this.scroller.clientWidth, sheet.height, 0), focus: null };
    const done = await copyImage(scene, this.painter.ink, this.measure, this.legend.shown);
    say(this.bar.copy, done);
    setTimeout(() => say(this.bar.copy, "Copy"), 2000);
  }
}
