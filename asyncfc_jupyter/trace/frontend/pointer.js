// @ts-check
/**
 * What the pointer does on the picture: it shows what it rests on, pins what it presses, and moves and zooms the axis.
 *
 * @typedef {import("./format.js").Row} Row
 * @typedef {import("./format.js").Story} Story
 * @typedef {import("./layout.js").Sheet} Sheet
 * @typedef {import("./time.js").Scale} Scale
 * @typedef {import("./time.js").Window} Window
 *
 * @typedef {object} Surface the timeline, as far as the pointer needs it
 * @property {HTMLElement} scroller
 * @property {HTMLCanvasElement} canvas
 * @property {Story|null} story
 * @property {Sheet|null} sheet
 * @property {Scale} scale
 * @property {Window|null} chosen
 * @property {boolean} following
 * @property {string|null} hovered
 * @property {number} clock
 * @property {number} whole
 * @property {() => void} request
 * @property {(window: Window) => void} choose
 * @property {(factor: number, at?: number) => void} zoomBy
 * @property {(seconds: number) => void} panBy
 * @property {(key: string|null) => void} pin
 * @property {(key: string|null) => Row|null} rowAt
 * @property {(key: string|null) => number} presentOf
 */

import { printed, storyLines } from "./controls.js";
import { box } from "./elements.js";
import { AXIS, firstEnding, keyOf, spanAt } from "./layout.js";
import { extent } from "./lanes.js";
import { describeSpan } from "./describe.js";
import { pan, timeAt } from "./time.js";

/** Lines of what a function printed, in the tooltip. */
const PRINTED_LINES = 3;

export class Pointer {
  /** @param {Surface} surface @param {AbortSignal} signal ends the listening */
  constructor(surface, signal) {
    this.surface = surface;
    /** Where the pointer rests, if it is on a future. @type {PointerEvent|null} */
    this.resting = null;
    this.tip = box("div", "afc-tip");
    this.tip.setAttribute("role", "tooltip");
    this.tip.popover = "manual";
    this.tip.hidden = true;
    const { scroller } = surface;
    scroller.addEventListener("wheel", (event) => this.wheel(event), { passive: false, signal });
    scroller.addEventListener("pointerdown", (event) => this.grab(event), { signal });
    scroller.addEventListener("pointermove", (event) => this.point(event), { signal });
    scroller.addEventListener("scroll", () => this.pointAgain(), { passive: true, signal });
    scroller.addEventListener("pointerleave", () => this.leave(), { signal });
    scroller.addEventListener("blur", () => this.leave(), { signal });
  }

  // -- moving --

  /** @param {WheelEvent} event */
  wheel(event) {
    const { scale } = this.surface;
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.ctrlKey || event.metaKey || event.altKey) {
      event.preventDefault();
      this.surface.zoomBy(Math.exp(-event.deltaY * unit * 0.004), timeAt(scale, this.inside(event)[0]));
    } else {
      // Some browsers turn the wheel themselves when Shift is held.
      const by = (event.deltaX || (event.shiftKey ? event.deltaY : 0)) * unit;
      if (by === 0 || this.surface.chosen === null) return;
      event.preventDefault();
      this.surface.panBy((by / (scale.right - scale.left)) * (scale.end - scale.start));
    }
  }

  /** @param {PointerEvent} event */
  grab(event) {
    if (event.button !== 0 || this.inside(event)[0] >= this.surface.scroller.clientWidth) return;  // there is the scroll bar
    const begun = { x: event.clientX, y: event.clientY, window: this.surface.chosen, scroll: this.surface.scroller.scrollTop };
    let moved = false;
    const drag = new AbortController();
    const move = (/** @type {PointerEvent} */ now) => {
      const [dx, dy] = [now.clientX - begun.x, now.clientY - begun.y];
      moved ||= Math.hypot(dx, dy) > 4;
      if (!moved) return;
      const { left, right, start, end } = this.surface.scale;
      this.surface.scroller.scrollTop = begun.scroll - dy;
      if (begun.window === null) return;
      this.surface.following = false;
      this.surface.choose(pan(begun.window, (-dx / (right - left)) * (end - start), this.surface.whole));
    };
    const drop = (/** @type {PointerEvent} */ now) => {
      drag.abort();
      if (!moved && now.type === "pointerup") this.surface.pin(this.keyAt(now));
    };
    window.addEventListener("pointermove", move, { signal: drag.signal });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) window.addEventListener(end, drop, { signal: drag.signal });
  }

  // -- pointing --

  /** Show again what the pointer rests on: it may have changed, or be another future now. */
  pointAgain() {
    if (this.resting !== null && !this.tip.hidden) this.point(this.resting);
  }

  /** @param {MouseEvent} event @returns {[number, number]} */
  inside(event) {
    const { left, top } = this.surface.canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** The strip under a pixel of the canvas. @param {number} y */
  stripAt(y) {
    const { sheet } = this.surface;
    if (sheet === null) return undefined;
    const fixed = sheet.strips[sheet.fixed - 1];
    if (y < (fixed === undefined ? AXIS : fixed.top + fixed.height)) return fixed !== undefined && y >= fixed.top ? fixed : undefined;
    const at = y + this.surface.scroller.scrollTop;
    return sheet.strips.find((strip, index) => index >= sheet.fixed && at >= strip.top && at < strip.top + strip.height);
  }

  /** The future under the pointer. @param {MouseEvent} event @returns {string|null} */
  keyAt(event) {
    const [x, y] = this.inside(event);
    const strip = this.stripAt(y);
    if (strip?.kind === "row") return keyOf(strip.run, strip.rows[0].future);
    if (strip?.kind !== "lane") return null;
    const { scale } = this.surface;
    const slack = ((scale.end - scale.start) / (scale.right - scale.left)) * 2;
    const time = timeAt(scale, x);
    const row = strip.rows[firstEnding(strip.rows, time - slack, (each) => extent(each)[1])];
    return row !== undefined && extent(row)[0] <= time + slack ? keyOf(strip.run, row.future) : null;
  }

  /** @param {PointerEvent} event */
  point(event) {
    this.resting = event;
    const key = this.keyAt(event);
    const row = this.surface.rowAt(key);
    if (key !== this.surface.hovered) {
      this.surface.hovered = key;
      this.surface.request();
    }
    this.surface.scroller.style.cursor = row !== null ? "pointer" : this.surface.chosen !== null ? "grab" : "";
    if (row !== null) this.showTip(this.tipLines(row, key), event.clientX, event.clientY);
    else this.pointAtSpan(event);
  }

  /** @param {PointerEvent} event */
  pointAtSpan(event) {
    const [x, y] = this.inside(event);
    const strip = this.stripAt(y);
    const { scale, story } = this.surface;
    if (strip?.kind !== "decode" || story === null || x < scale.left) return this.hideTip();
    const { view } = story.runs[strip.run];
    const top = strip.top - (this.surface.sheet?.fixed ? 0 : this.surface.scroller.scrollTop);
    const span = spanAt(view.decode, timeAt(scale, x), y > top + strip.height / 2);
    if (span === undefined) return this.hideTip();
    this.showTip([box("div", "afc-name", describeSpan(span, view.live ? this.surface.clock : view.span))], event.clientX, event.clientY);
  }

  /** The story of a future with the last of what it printed; all that is known of that is on the card. @param {Row} row @param {string|null} key */
  tipLines(row, key) {
    const lines = storyLines(row, this.surface.presentOf(key));
    return row.prints ? [...lines, printed(row.prints.split("\n").slice(-PRINTED_LINES).join("\n"))] : lines;
  }

  leave() {
    this.resting = null;
    this.surface.hovered = null;
    this.hideTip();
    this.surface.request();
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
}
