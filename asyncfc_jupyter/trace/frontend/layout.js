// @ts-check
/**
 * Where everything lies, in pixels: strips from top to bottom, and in each strip bars, signs and labels from left to right.
 * Nothing here touches the page. `trace/render/layout.py` does the same for the static pictures, where labels may differ by a
 * letter, since readers have fonts of their own; a test compares the bars of the two.
 *
 * @typedef {import("./format.js").Row} Row
 * @typedef {import("./format.js").Segment} Segment
 * @typedef {import("./format.js").Span} Span
 * @typedef {import("./format.js").Story} Story
 * @typedef {import("./format.js").View} View
 * @typedef {import("./time.js").Scale} Scale
 * @typedef {(text: string, size: number, bold?: boolean) => number} Measure
 * @typedef {{kind: "head"|"decode"|"row"|"lane", run: number, top: number, height: number, bar: number, size: number,
 *   rows: Row[]}} Strip `bar` is the height of a bar, `size` that of its text
 * @typedef {{strips: Strip[], fixed: number, height: number, names: number, left: number, narrow: boolean,
 *   packed: boolean, at: Map<string, number>, tools: number}} Sheet `fixed` strips stay when the others scroll; `at` is the
 *   strip of each future; `tools` is 1 where all futures call the same tool, whose name is then left out of lanes
 * @typedef {{text: string, x: number, anchor: "start"|"end"|"middle", inside: boolean}} Label
 * @typedef {{kind: string, hazard: string, x: number, width: number, open: boolean, mark: boolean}} Bar `mark`: only a sign
 */

import { pack } from "./lanes.js";
import { MOST_ROWS, NARROW, ROOM_TO_CUT, SIGN_ROOM, WAITS } from "./shared.js";
import { waitReasons } from "./describe.js";
import { position } from "./time.js";

/** Height of the time axis. */
export const AXIS = 28;

/**
 * Return the key of a future, which differs among all futures of several runs.
 * @param {number} run
 * @param {string} future
 */
export function keyOf(run, future) {
  return `${run} ${future}`;
}

/**
 * Return the strips of a story, from top to bottom.
 * @param {Story} story
 * @param {number} width
 * @param {boolean|null} packed futures in lanes; null lets their number decide
 * @param {Measure} measure
 * @returns {Sheet}
 */
export function stack(story, width, packed, measure) {
  const several = story.runs.length > 1;
  const most = Math.max(0, ...story.runs.map(({ view }) => view.rows.length));
  const inLanes = packed ?? (several || most > MOST_ROWS);
  const narrow = width < NARROW;
  /** @type {Strip[]} */
  const strips = [];
  /** @type {Map<string, number>} */
  const at = new Map();
  let top = AXIS;
  /** @param {Strip["kind"]} kind @param {number} run @param {number} height @param {number} bar @param {number} size @param {Row[]} rows */
  const add = (kind, run, height, bar, size, rows = []) => {
    for (const row of rows) at.set(keyOf(run, row.future), strips.length);
    strips.push({ kind, run, top, height, bar, size, rows });
    top += height;
  };
  story.runs.forEach(({ view }, run) => {
    if (several) add("head", run, run === 0 ? 26 : 38, 0, 13);
    add("decode", run, several ? 30 : 44, several ? 20 : 26, 12);
    const [height, bar, size] = inLanes ? [0, 0, 0] : rowSizes(view.rows.length);
    if (inLanes) addLanes(pack(view.rows), several, (h, b, s, rows) => add("lane", run, h, b, s, rows));
    else for (const row of view.rows) add("row", run, height, bar, size, [row]);
  });
  const { left, names } = columns(story, inLanes, narrow, measure);
  return { strips, fixed: several ? 0 : 1, height: top + 4, names, left, narrow, packed: inLanes, at, tools: countTools(story) };
}

/** One, or more than one. @param {Story} story */
function countTools({ runs }) {
  const first = runs.find(({ view }) => view.rows.length > 0)?.view.rows[0].tool;
  return runs.some(({ view }) => view.rows.some(({ tool }) => tool !== first)) ? 2 : 1;
}

/** @param {number} count @returns {[number, number, number]} height of the strip, of its bar, and of its text */
function rowSizes(count) {
  return count <= 12 ? [34, 26, 12] : count <= 30 ? [26, 19, 11.5] : [22, 16, 11];
}

/**
 * @param {Row[][]} lanes
 * @param {boolean} several
 * @param {(height: number, bar: number, size: number, rows: Row[]) => void} add
 */
function addLanes(lanes, several, add) {
  const roomy = several ? 12 : 10;
  const [height, bar, size] = lanes.length <= roomy ? [24, 20, 11] : lanes.length <= 30 ? [18, 15, 10.5] : [10, 8, 0];
  for (const rows of lanes) add(height, bar, size, rows);
}

/** @param {Story} story @param {boolean} packed @param {boolean} narrow @param {Measure} measure */
function columns(story, packed, narrow, measure) {
  let names = 16;
  let tools = 0;
  if (!packed) {
    for (const { view } of story.runs) {
      for (const row of view.rows) {
        names = Math.max(names, measure(row.future, 12.5, true));
        if (!narrow) tools = Math.max(tools, measure(row.tool, 12.5));
      }
    }
  }
  const left = Math.max(names + 10 + Math.min(tools, 170), measure("decoding", 12.5, true)) + 14;
  return { left: Math.ceil(left), names: names + 10 };
}

/**
 * Return as much of a text as fits, with an ellipsis where it was cut; or nothing.
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
 * Find room for a row's label: inside its bar, right of it, left of all its segments, or cut where room is widest.
 * @param {string[]} choices from the longest to the shortest; the last is the one that matters most
 * @param {number} size
 * @param {[number, number]} bar
 * @param {{left: number, scale: Scale, seen: number|null, keepLeft: boolean, measure: Measure, sign?: boolean}} around `sign`:
 *   there is one at the end of the bar
 * @returns {Label|null}
 */
export function placeLabel(choices, size, bar, { left, scale, seen, keepLeft, measure, sign = false }) {
  const [start, end] = bar;
  const inner = (seen !== null && seen < end + 6 ? Math.min(end, seen - 6) : end) - start - (sign ? 8 + SIGN_ROOM : 16);
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
 * Return the segments of a future as bars. An open one ends at the present.
 * @param {Row} row
 * @param {Scale} scale
 * @param {number} now
 * @returns {Bar[]}
 */
export function placeBars(row, scale, now) {
  return row.segments.map(({ kind, start, end, hazard = "" }) => {
    const x = position(scale, start);
    return {
      kind,
      hazard,
      x,
      width: position(scale, Math.max(start, end ?? now)) - x,
      open: end === null,
      mark: kind === "skipped" || (start === end && !WAITS.has(kind) && kind !== "done" && kind !== "arguments"),
    };
  });
}

/**
 * Return whether a bar has the sign of its outcome at its end.
 * @param {Bar} bar
 */
export function endsInSign({ kind, width, mark }) {
  return !mark && (kind === "failed" || kind === "cancelled") && width >= SIGN_ROOM;
}

/**
 * Return what to write on a row of its own: the outcome of the call, and why it waited.
 * @param {Row} row
 * @param {Bar[]} bars
 * @param {number} size
 * @param {boolean} brief where room is short
 * @param {boolean} named with the tool, where that stands nowhere else
 * @param {Scale} scale
 * @param {Measure} measure
 * @returns {{label: Label|null, why: Label|null}}
 */
export function placeTexts(row, bars, size, brief, named, scale, measure) {
  /** @type {Measure} */
  const wide = (text, at) => measure(text, at, row.asks !== undefined);
  const main = bars.filter(({ kind }) => kind !== "discarded").at(-1);
  const last = bars.at(-1);
  if (main === undefined || last === undefined) return { label: null, why: null };
  const reasons = waitReasons(row);
  const left = Math.max(scale.left, bars[0].x);
  // The label of a bar that is partly outside of the window goes into the visible part.
  // Past the sign of an attempt that failed.
  const tried = row.retries?.length ? position(scale, row.retries[row.retries.length - 1].at) + 2 : -Infinity;
  const start = Math.max(scale.left, main.x, tried);
  const end = Math.min(scale.right, main.mark ? main.x + 13 : main.x + main.width);
  if (end < scale.left || start > scale.right) return { label: null, why: null };
  const seen = row.seen === null ? null : position(scale, row.seen);
  const around = { left, scale, seen, keepLeft: reasons !== "", measure: wide, sign: endsInSign(main) };
  const free = last === main ? end : Math.min(scale.right, last.x + last.width);
  const choices = outcome(row, brief, named);
  const inside = placeLabel(choices, size, [start, end], around);
  const label = inside?.inside === false && free > end ? placeLabel(choices, size, [free, free], around) : inside;
  let why = null;
  if (reasons && label?.anchor !== "end") {
    const room = left - scale.left - 14;
    const cut = room > 60 ? fit(reasons, size, room, measure) : "";
    if (cut) why = { text: cut, x: left - 8, anchor: /** @type {const} */ ("end"), inside: false };
  }
  return { label, why };
}

/**
 * Return what to write beside or inside a bar, from the longest to the shortest.
 * @param {Row} row
 * @param {boolean} brief where room is short
 * @param {boolean} named with the tool, where that stands nowhere else
 */
export function outcome(row, brief, named) {
  const { state, label } = row;
  if (row.asks !== undefined) return [brief ? "asks you" : "asks for your approval"];
  if (state === "pending") return [];
  if (state === "failed") return [label];
  if (state === "skipped" || state === "cancelled") return [label.startsWith(state) ? label : `${state}: ${label}`];
  const given = named ? `${row.tool}(${row.arguments})` : row.arguments;
  if (state === "running") {
    const percent = row.progress === undefined ? "" : `${Math.round(row.progress * 100)}%`;
    const progress = [percent, row.activity].filter(Boolean).join(", ");
    return progress ? [progress, percent || progress] : [given];
  }
  return [given && label ? `${given} → ${label}` : "", label || given];
}

/**
 * Return the stretches of the decode lane as lists in order of time and without overlap: the lower half, if requests raced, is
 * the second of two.
 * @param {Span[]} decode
 */
function decodeHalves(decode) {
  if (!decode.some(({ half }) => half === "lower")) return [decode];
  return [decode.filter(({ half }) => half !== "lower"), decode.filter(({ half }) => half === "lower")];
}

/**
 * Return the stretch of the decode lane at a time, if there is one.
 * @param {Span[]} decode
 * @param {number} time
 * @param {boolean} low of two stretches, the one in the lower half
 * @returns {Span|undefined}
 */
export function spanAt(decode, time, low) {
  const found = decodeHalves(decode)
    .map((spans) => spans[firstEnding(spans, time, ({ end }) => end)])
    .filter((span) => span !== undefined && span.start <= time);
  return low ? found.at(-1) : found[0];
}

/**
 * Return the visible pieces of the decode lane. Pieces on the pixel of the previous one are left out.
 * @param {View} view
 * @param {Scale} scale
 * @param {number} now
 * @returns {Array<{span: Span, x: number, width: number, last: boolean}>}
 */
export function placeDecode(view, scale, now) {
  const placed = [];
  const newest = view.decode.at(-1);
  for (const spans of decodeHalves(view.decode)) {
    let drawn = -Infinity;
    for (let number = firstEnding(spans, scale.start, ({ end }) => end); number < spans.length; number += 1) {
      const span = spans[number];
      const x = position(scale, span.start);
      if (x > scale.right) break;
      const width = position(scale, Math.max(span.start, span.end ?? now)) - x;
      if (span.end !== null && x + width - drawn < 0.4) continue;
      drawn = x + width;
      placed.push({ span, x, width, last: span === newest });
    }
  }
  return placed;
}

/**
 * Return the number of the first stretch that ends after a time, by bisection.
 * @template T
 * @param {T[]} stretches in order of time and without overlap
 * @param {number} time
 * @param {(stretch: T) => number|null} endOf null while it lasts
 */
export function firstEnding(stretches, time, endOf) {
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((endOf(stretches[middle]) ?? Infinity) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Return the arrows to a future: from each future for whose value or state it waited.
 * @param {Row} row
 * @param {Map<string, Row>} rows
 * @returns {Array<{from: Row, to: Row, kind: "data"|"hazard"}>}
 */
export function linksTo(row, rows) {
  /** @type {Array<{from: Row, to: Row, kind: "data"|"hazard"}>} */
  const links = [];
  for (const name of new Set([...row.needs, ...row.after])) {
    const from = rows.get(name);
    if (from !== undefined) links.push({ from, to: row, kind: row.needs.includes(name) ? "data" : "hazard" });
  }
  return links;
}

/**
 * Return when the function of a future started and ended; null where that is not known.
 * @param {Row} row
 * @returns {{start: number|null, end: number|null}}
 */
export function worked(row) {
  const { segments } = row;
  const settled = segments.find(({ kind }) => kind === "running" || kind === row.state);
  const start = settled?.start ?? segments.at(-1)?.start ?? null;
  return { start, end: settled === undefined || settled.kind === "running" ? null : settled.end };
}
