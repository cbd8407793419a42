// @ts-check
/**
 * Paints the sheet on a canvas, since ten thousand bars would be too many elements. Only what is visible is painted, and of bars
 * on the same pixel only one.
 *
 * @typedef {import("./format.js").Row} Row
 * @typedef {import("./format.js").Story} Story
 * @typedef {import("./layout.js").Bar} Bar
 * @typedef {import("./layout.js").Sheet} Sheet
 * @typedef {import("./layout.js").Strip} Strip
 * @typedef {import("./time.js").Scale} Scale
 * @typedef {{story: Story, sheet: Sheet, scale: Scale, scroll: number, width: number, height: number, clock: number,
 *   focus: string|null, isDim: (row: Row) => boolean, rowsOf: (run: number) => Map<string, Row>}} Scene
 */

import { Brush } from "./brush.js";
import { savedBy } from "./format.js";
import { hatch } from "./ink.js";
import { extent } from "./lanes.js";
import {
  AXIS, endsInSign, firstEnding, fit, keyOf, linksTo, outcome, placeBars, placeDecode, placeTexts, worked,
} from "./layout.js";
import { END_ROOM, LOOKS, MOST_ARROW_ROWS, RETRY_ROOM, SIGN_ROOM, WAITS } from "./shared.js";
import { position, showSeconds, ticks } from "./time.js";

/** The opacity of futures that the search does not match: they can still be read. */
const DIM = 0.22;
/** Pixels between two labels of the axis. */
const TICK_ROOM = 72;
/** Narrower, in pixels, nothing is written in a bar. */
const LEAST_ROOM = 14;
/** Height of a row, in pixels, in which two lines of text have room. */
const TWO_LINES = 30;

export class Painter extends Brush {
  /** @param {Scene} scene */
  paint(scene) {
    const { context, ink } = this;
    const { sheet, width, height } = scene;
    context.globalAlpha = 1;
    context.fillStyle = ink.colours.paper;
    context.fillRect(0, 0, width, height);
    const fixed = sheet.strips[sheet.fixed - 1];
    const head = fixed === undefined ? AXIS : fixed.top + fixed.height;
    this.clipped(0, head, width, height - head, () => {
      context.translate(0, -scene.scroll);
      const top = head + scene.scroll;
      const bottom = height + scene.scroll;
      this.paintGround(scene, top, bottom);
      const seen = sheet.strips.slice(sheet.fixed).filter((strip) => strip.top < bottom && strip.top + strip.height > top);
      for (const strip of seen) this.paintBed(scene, strip);
      // A second time and fainter, so that the strips do not cut the overlap to pieces.
      if (!sheet.packed) this.paintOverlap(scene, top, bottom, 0.5);
      this.paintEnd(scene, top, bottom);
      // The critical path runs below the bars, so that it crosses no text; what is asked for lies on top.
      this.paintCritical(scene);
      for (const strip of seen) this.paintStrip(scene, strip);
      this.paintFocus(scene);
    });
    this.paintGround(scene, AXIS - 6, head);
    this.paintEnd(scene, AXIS - 6, head);
    for (const strip of sheet.strips.slice(0, sheet.fixed)) this.paintStrip(scene, strip);
    this.paintAxis(scene);
    this.paintPresent(scene);
  }

  /** @param {Scene} scene */
  paintAxis({ scale, story }) {
    const end = position(scale, lateEnd(story) ?? -Infinity);
    if (end >= scale.left && end <= scale.right) this.words({ text: "end", x: end, anchor: "middle", inside: false }, 14, 11, "muted", true);
    const most = Math.max(2, Math.floor((scale.right - scale.left) / TICK_ROOM));
    for (const { at, label } of ticks(scale, most)) {
      const x = position(scale, at);
      const wide = this.measure(label, 11);
      if (Math.abs(x - end) < END_ROOM) continue;
      if (x + wide / 2 <= scale.right + 2) this.words({ text: label, x, anchor: "middle", inside: false }, 14, 11, "muted");
    }
  }

  /** The washes of overlap and the lines of the axis. @param {Scene} scene @param {number} top @param {number} bottom */
  paintGround(scene, top, bottom) {
    const { scale } = scene;
    this.paintOverlap(scene, top, bottom, 1);
    this.context.fillStyle = this.ink.colours.line;
    const most = Math.max(2, Math.floor((scale.right - scale.left) / TICK_ROOM));
    for (const { at } of ticks(scale, most)) this.context.fillRect(Math.round(position(scale, at)), top, 1, bottom - top);
  }

  /** When the model decoded while a function ran. @param {Scene} scene @param {number} top @param {number} bottom @param {number} alpha */
  paintOverlap({ story, sheet, scale, clock }, top, bottom, alpha) {
    const { context, ink } = this;
    context.fillStyle = ink.colours.overlap;
    context.globalAlpha = alpha;
    story.runs.forEach(({ view }, run) => {
      const own = sheet.strips.filter((strip) => strip.run === run);
      const first = Math.max(top, (own.find(({ kind }) => kind === "decode")?.top ?? 0) - 2);
      const last = Math.min(bottom, run === story.runs.length - 1 ? bottom : (own.at(-1)?.top ?? 0) + (own.at(-1)?.height ?? 0));
      let drawn = -Infinity;
      for (let at = firstEnding(view.overlap, scale.start, ([, end]) => end); at < view.overlap.length; at += 1) {
        const [start, end] = view.overlap[at];
        const x = Math.max(scale.left, drawn, position(scale, start));
        const until = Math.min(scale.right, position(scale, end ?? (view.live ? clock : view.now)));
        if (x > scale.right) break;
        if (until > x && last > first) context.fillRect(x, first, until - x, last - first);
        drawn = until;
      }
    });
    context.globalAlpha = 1;
  }

  /** The end of a run after which calls ran on: a line below the bars, which crosses no text. @param {Scene} scene @param {number} top @param {number} bottom */
  paintEnd({ story, scale }, top, bottom) {
    const x = position(scale, lateEnd(story) ?? -Infinity);
    if (x < scale.left || x > scale.right) return;
    this.context.fillStyle = this.ink.colours.muted;
    this.context.fillRect(x - 0.5, top, 1.2, bottom - top);
  }

  /** @param {Scene} scene @param {Strip} strip */
  paintStrip(scene, strip) {
    if (strip.kind === "head") this.paintHead(scene, strip);
    else if (strip.kind === "decode") this.paintDecode(scene, strip);
    else if (strip.kind === "row") this.paintRow(scene, strip, strip.rows[0]);
    else this.paintLane(scene, strip);
  }

  /** What a row lies on: a strip along the axis, or, of the row in focus, all of the line. @param {Scene} scene @param {Strip} strip */
  paintBed({ focus, scale, width }, strip) {
    if (strip.kind !== "row") return;
    const middle = strip.top + strip.height / 2;
    const { lane } = this.ink.colours;
    if (focus === keyOf(strip.run, strip.rows[0].future)) this.bar(-8, strip.top + 1, width + 16, strip.height - 2, lane, 4);
    else if (strip.height >= 24) this.bar(scale.left, middle - strip.bar / 2, scale.right - scale.left, strip.bar, lane, 4);
  }

  /** The name of one of several runs. @param {Scene} scene @param {Strip} strip */
  paintHead({ story, width }, strip) {
    const { name, note, view } = story.runs[strip.run];
    const base = strip.top + strip.height - 9;
    if (strip.run > 0) {
      this.context.fillStyle = this.ink.colours.line;
      this.context.fillRect(0, strip.top + 8, width, 1);
    }
    this.words({ text: name, x: 0, anchor: "start", inside: false }, base, 13, "ink", true);
    const said = [showSeconds(view.now), note].filter(Boolean).join(", ");
    const x = this.measure(name, 13, true) + 12;
    this.words({ text: fit(said, 12, width - x, this.measure), x, anchor: "start", inside: false }, base, 12, "muted");
  }

  /** @param {Scene} scene @param {Strip} strip */
  paintDecode({ story, scale, clock, sheet }, strip) {
    const { view } = story.runs[strip.run];
    const { context, ink } = this;
    const middle = strip.top + strip.height / 2;
    this.words({ text: "decoding", x: 0, anchor: "start", inside: false }, middle + 4.5, 12.5, "ink", sheet.fixed > 0);
    this.clipped(scale.left, strip.top - 4, scale.right - scale.left, strip.height + 8, () => {
      for (const { span, x, width, last } of placeDecode(view, scale, view.live ? clock : view.now)) {
        const texts = span.kind === "await" ? [span.label, "waiting"] : [span.kind === "text" && last ? "answer" : span.label];
        const left = Math.max(x, scale.left);
        const room = Math.min(x + width, scale.right) - left;
        // Two requests at once have half of the height each, and a gap between them.
        const y = span.half === "lower" ? middle + 1 : middle - strip.bar / 2;
        const high = span.half ? strip.bar / 2 - 1 : strip.bar;
        if (span.kind === "await") this.dots(x + 3, x + width - 3, middle);
        else {
          const { colour } = LOOKS[span.kind];
          if (span.kind === "retry") this.frame(x, y, width - 1, high, colour);
          else if (span.kind === "abandoned") this.abandoned(x, y, Math.max(0.8, width - 1), high);
          else if (width > 3) this.bar(x, y, width - 1, high, ink.colours[colour], 3);
          // Whole pixels: the blurred edges of many narrow bars would look like a pattern.
          else this.bar(Math.floor(x), y, Math.ceil(x + Math.max(0.8, width)) - Math.floor(x), high, ink.colours[colour], 0);
        }
        if (span.half || span.kind === "abandoned") continue;
        const bold = span.kind !== "await" && span.kind !== "reasoning";
        const allowed = span.kind === "first_token" ? [] : span.kind === "reasoning" ? ["reasoning"] : span.kind === "retry" ? ["retry"] : texts;
        const label = room < 12 ? undefined : allowed.find((text) => text && this.measure(text, 11.5, bold) <= room - (bold ? 6 : 14));
        if (label === undefined) continue;
        const colour = span.kind === "await" ? "muted" : span.kind === "retry" ? "failed" : `${span.kind}-ink`;
        if (span.kind === "await") this.erase(left + room / 2, middle, this.measure(label, 11.5) + 10);
        this.words({ text: label, x: left + room / 2, anchor: "middle", inside: true }, middle + 4, 11.5, colour, bold);
      }
      context.fillStyle = ink.colours.muted;
      let drawn = -Infinity;
      for (const at of view.turns.slice(1)) {
        const x = position(scale, at);
        // Boundaries closer than this would look like a bar.
        if (x - drawn > 3) context.fillRect(x - 0.5, strip.top + 1, 1, strip.height - 2);
        drawn = x - drawn > 3 ? x : drawn;
      }
      this.paintSaved(story, strip, scale);
    });
  }

  /** What a run saved against the slowest. @param {Story} story @param {Strip} strip @param {Scale} scale */
  paintSaved(story, strip, scale) {
    const { view, note } = story.runs[strip.run];
    const saved = savedBy(story, strip.run);
    if (saved === 0) return;
    const [x, until] = [position(scale, view.now), position(scale, view.now + saved)];
    const middle = strip.top + strip.height / 2;
    this.context.fillStyle = this.ink.patterns.saved;
    this.context.fillRect(x, middle - strip.bar / 2, until - x, strip.bar);
    this.frame(x, middle - strip.bar / 2, until - x, strip.bar, "done");
    const label = note.split(",")[0];
    if (this.measure(label, 11.5, true) + 14 > until - x) return;
    this.erase((x + until) / 2, middle, this.measure(label, 11.5, true) + 10);
    this.words({ text: label, x: (x + until) / 2, anchor: "middle", inside: false }, middle + 4, 11.5, "done", true);
  }

  /** @param {Scene} scene @param {Strip} strip @param {Row} row */
  paintRow(scene, strip, row) {
    const { context, ink } = this;
    const { scale, sheet, story } = scene;
    const middle = strip.top + strip.height / 2;
    context.globalAlpha = scene.isDim(row) ? DIM : 1;
    const base = middle + 4.5;
    // In a narrow picture the tool stands below the future, where the row is high enough.
    const below = sheet.narrow && strip.height >= TWO_LINES;
    this.words({ text: row.future, x: 0, anchor: "start", inside: false }, below ? base - 6 : base, 12.5, "ink", true);
    if (below || !sheet.narrow) {
      const [x, y, size] = below ? [0, base + 6, 10] : [sheet.names, base, 12.5];
      this.words({ text: fit(row.tool, size, scale.left - x - 10, this.measure), x, anchor: "start", inside: false }, y, size, "muted");
    }
    const now = story.runs[strip.run].view.live ? scene.clock : scene.story.runs[strip.run].view.span;
    const bars = placeBars(row, scale, now);
    this.clipped(scale.left - 1, strip.top, scale.right - scale.left + 2, strip.height, () => {
      for (const bar of bars) this.paintBar(bar, row, middle, strip.bar, scale.right);
      this.paintRetries(row, scale, middle, strip.bar);
      const { label, why } = placeTexts(row, bars, strip.size, sheet.narrow, sheet.narrow && !below, scale, this.measure);
      if (why !== null) this.words(why, middle + 4, strip.size, row.asks !== undefined ? "approval" : "muted");
      const kind = bars.filter((bar) => bar.kind !== "discarded").at(-1)?.kind ?? "";
      const plain = row.asks !== undefined ? "approval" : row.state === "failed" || row.state === "skipped" ? "failed" : "muted";
      // The lines of the wait would strike the words out.
      if (label?.inside && row.asks !== undefined) {
        const wide = this.measure(label.text, strip.size, true);
        this.erase(label.x + wide / 2, middle, wide + 8);
      }
      const inside = label?.inside && !WAITS.has(kind) && kind in ink.colours;
      if (label !== null) this.words(label, middle + 4, strip.size, inside ? `${kind}-ink` : plain, row.asks !== undefined);
      if (row.seen !== null) this.seen(position(scale, row.seen), middle, Math.min(4, strip.bar / 2 - 1));
    });
    context.globalAlpha = 1;
  }

  /** Many futures, one after the other. @param {Scene} scene @param {Strip} strip */
  paintLane(scene, strip) {
    const { scale, story } = scene;
    const middle = strip.top + strip.height / 2;
    const { live, span } = story.runs[strip.run].view;
    const now = live ? scene.clock : span;
    this.clipped(scale.left - 1, strip.top, scale.right - scale.left + 2, strip.height, () => {
      let drawn = -Infinity;
      for (let at = firstEnding(strip.rows, scale.start, (row) => extent(row)[1]); at < strip.rows.length; at += 1) {
        const row = strip.rows[at];
        if (position(scale, row.segments[0].start) > scale.right) break;
        const until = position(scale, row.segments[row.segments.length - 1].end ?? now);
        // It lies on the pixel of the previous one.
        if (until - drawn < 0.5) continue;
        drawn = until;
        this.paintInLane(scene, strip, row, middle, now);
      }
    });
    this.context.globalAlpha = 1;
  }

  /** @param {Scene} scene @param {Strip} strip @param {Row} row @param {number} middle @param {number} now */
  paintInLane(scene, strip, row, middle, now) {
    const { scale } = scene;
    this.context.globalAlpha = scene.isDim(row) ? DIM : 1;
    const bars = placeBars(row, scale, now);
    for (const bar of bars) this.paintBar(bar, row, middle, strip.bar);
    const [first, last] = [bars[0], bars[bars.length - 1]];
    const wide = last.x + last.width - first.x;
    if (scene.focus !== null && scene.focus === keyOf(strip.run, row.future)) {
      this.frame(first.x - 1, middle - strip.bar / 2 - 1, wide + 2, strip.bar + 2, "ink");
    }
    if (strip.size === 0 || wide < LEAST_ROOM) return;
    const main = bars.filter(({ kind }) => kind !== "discarded").at(-1);
    if (main === undefined || main.mark) return;
    const left = Math.max(scale.left, main.x);
    const room = Math.min(scale.right, main.x + main.width) - left - (endsInSign(main) ? 5 + SIGN_ROOM : 10);
    if (room < LEAST_ROOM) return;
    const colour = WAITS.has(main.kind) ? "ink" : `${main.kind}-ink`;
    const label = outcome(row, true, true)[0];
    const named = scene.sheet.tools > 1 ? `${row.future}  ${row.tool}` : "";
    for (const text of [label ? `${row.future}  ${label}` : "", named, row.future]) {
      if (text === "" || this.measure(text, strip.size) > room) continue;
      this.words({ text, x: left + 5, anchor: "start", inside: true }, middle + 3.5, strip.size, colour);
      break;
    }
  }

  /** @param {Bar} bar @param {Row} row @param {number} middle @param {number} height @param {number} [right] the end of the axis: signs stay before it */
  paintBar(bar, row, middle, height, right = Infinity) {
    const { kind, hazard, x, width, open, mark } = bar;
    const { ink } = this;
    const thin = height * 0.72;
    if (mark) this.loneSign(kind, x + 7, right - 7, middle, height);
    else if (kind === "arguments" && width < 1 && height < 20) return;
    else if (kind === "arguments") this.bar(x, middle - height * 0.16, Math.max(0.6, width), height * 0.32, ink.colours.text, 2);
    else if (kind === "queued") this.bar(x, middle - 1, Math.max(0.6, width), 2, ink.colours.data, 0);
    else if (kind === "discarded") {
      if (width > 2) this.frame(x, middle - thin / 2, width, thin, LOOKS[kind].colour, true);
    } else if (WAITS.has(kind)) this.bar(x, middle - thin / 2, Math.max(0.4, width - 0.5), thin, hatch(ink, kind, hazard), width > 8 ? 3 : 0);
    else {
      const wide = Math.max(width > 3 ? 1.5 : 0.8, width - (width > 3 && height < 24 ? 1 : 0));
      this.bar(x, middle - height / 2, wide, height, ink.colours[kind], Math.min(4, height / 3));
      // The fill of a running call is pale: an edge makes it visible.
      if (kind === "running" && wide > 2.5) this.frame(x + 0.75, middle - height / 2 + 0.75, wide - 1.5, height - 1.5, "done");
      if (open && row.progress !== undefined && wide > 4) this.progress(x, middle, wide, height, row.progress);
      if (row.critical && width > 2.5) this.frame(x + 0.75, middle - height / 2 + 0.75, wide - 1.5, height - 1.5, "ink");
      if (endsInSign(bar)) this.sign(kind, x + wide - 10, middle, height < 12 ? 2.2 : 3.5, `${kind}-ink`);
    }
  }

  /**
   * The sign of a call that never ran, on clear ground where it would leave the axis.
   * @param {string} kind @param {number} x @param {number} last @param {number} middle @param {number} height
   */
  loneSign(kind, x, last, middle, height) {
    const [at, clear] = [Math.min(x, last), Math.min(height, 16)];
    if (x > last) this.bar(at - 7, middle - clear / 2, 14, clear, this.ink.colours.lane, 2);
    this.sign(kind, at, middle, height < 12 ? 2.2 : 3.5, kind === "cancelled" ? "muted" : "failed");
  }

  /** How far a running function is: a line along the foot of its bar, since the bar's own length is time. @param {number} x @param {number} middle @param {number} width @param {number} height @param {number} share */
  progress(x, middle, width, height, share) {
    const tall = Math.max(2, Math.min(3, height / 5));
    this.context.fillStyle = this.ink.colours["running-ink"];
    this.context.globalAlpha *= 0.25;
    this.context.fillRect(x + 2, middle + height / 2 - tall - 1, width - 4, tall);
    this.context.globalAlpha *= 4;
    this.context.fillRect(x + 2, middle + height / 2 - tall - 1, (width - 4) * share, tall);
  }

  /** Where attempts failed that were retried. @param {Row} row @param {Scale} scale @param {number} middle @param {number} height */
  paintRetries(row, scale, middle, height) {
    let drawn = -Infinity;
    for (const { at } of row.retries ?? []) {
      const x = position(scale, at);
      // Signs closer than this could not be seen apart.
      if (x - drawn < RETRY_ROOM) continue;
      drawn = x;
      this.context.fillStyle = this.ink.colours.lane;
      this.context.fillRect(x - RETRY_ROOM / 2, middle - height / 2, RETRY_ROOM, height);
      this.sign("failed", x, middle, 3, "failed");
    }
  }

  /** Arrows along the critical path, where they are few. @param {Scene} scene */
  paintCritical(scene) {
    scene.story.runs.forEach(({ view }, run) => {
      if (scene.sheet.packed || view.rows.length > MOST_ARROW_ROWS) return;
      const rows = scene.rowsOf(run);
      for (const row of view.rows.filter(({ critical }) => critical)) {
        for (const { from, to } of linksTo(row, rows)) if (from.critical) this.arrow(scene, run, from, to, "ink");
      }
    });
  }

  /** Arrows to and from the future in focus. @param {Scene} scene */
  paintFocus(scene) {
    const { focus, story } = scene;
    if (focus === null) return;
    const space = focus.indexOf(" ");
    const run = Number(focus.slice(0, space));
    const rows = scene.rowsOf(run);
    const focused = rows.get(focus.slice(space + 1));
    if (focused === undefined) return;
    const strip = scene.sheet.strips[scene.sheet.at.get(focus) ?? -1];
    // In lanes only the future in focus has its ring: those of all would lie on the bars of others.
    if (strip?.kind === "lane" && focused.seen !== null) {
      this.seen(position(scene.scale, focused.seen), strip.top + strip.height / 2, Math.min(4, strip.bar / 2 - 1));
    }
    const { future } = focused;
    const after = story.runs[run].view.rows.filter(({ needs, after: held }) => needs.includes(future) || held.includes(future));
    const out = after.flatMap((row) => linksTo(row, rows).filter(({ from }) => from === focused));
    for (const { from, to, kind } of [...linksTo(focused, rows), ...out]) {
      this.arrow(scene, run, from, to, kind === "hazard" ? "hazard" : "ink");
    }
  }

  /** @param {Scene} scene @param {number} run @param {Row} from @param {Row} to @param {string} colour */
  arrow({ sheet, scale }, run, from, to, colour) {
    const [source, target] = [from, to].map((row) => sheet.strips[sheet.at.get(keyOf(run, row.future)) ?? -1]);
    const [{ end }, { start }] = [worked(from), worked(to)];
    if (source === undefined || target === undefined || end === null || start === null || end > start + 0.001) return;
    const [x0, x1] = [position(scale, end) - 1, position(scale, start) + 1];
    const down = target.top >= source.top ? 1 : -1;
    const y0 = source.top + source.height / 2 + (down * source.bar) / 2;
    const y1 = target.top + target.height / 2 - (down * target.bar) / 2;
    const { context } = this;
    this.clipped(scale.left, 0, scale.right - scale.left, 1e7, () => {
      context.strokeStyle = this.ink.colours[colour];
      context.lineWidth = 1.3;
      context.lineJoin = "round";
      context.beginPath();
      const from0 = x1 - x0 > 3 ? x0 : x1;
      context.moveTo(from0, y0);
      // Along the gap below the source, so that the line crosses no text.
      const gap = y0 + (down * (source.height - source.bar)) / 2;
      if (from0 !== x1) context.arcTo(from0, gap, x1, gap, 3), context.arcTo(x1, gap, x1, y1, 3);
      context.lineTo(x1, y1 - down);
      context.moveTo(x1 - 3, y1 - down * 5);
      context.lineTo(x1, y1 - down);
      context.lineTo(x1 + 3, y1 - down * 5);
      context.stroke();
    });
  }

  /** The present of a live run. @param {Scene} scene */
  paintPresent({ story, scale, clock, height }) {
    const x = position(scale, clock);
    if (!story.live || x < scale.left || x > scale.right + 1) return;
    this.context.fillStyle = this.ink.colours.call;
    this.context.fillRect(x - 0.5, AXIS - 6, 1.2, height);
  }
}

/** When a run ended, in seconds, if calls ran on after it. @param {Story} story */
function lateEnd({ runs }) {
  const { view } = runs[0];
  return runs.length === 1 && !view.live && view.span > view.now + 0.001 ? view.now : null;
}
