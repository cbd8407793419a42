// @ts-check
/**
 * Where everything of the timeline lies: numbers and views in, numbers out. Nothing here touches the page.
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

export const WAITS = new Set(["data", "hazard", "limit"]);
/** Narrower than this, in pixels, the names of the tools move from the left into the labels. */
const NARROW = 640;
/** Width, in pixels, in which a cut label still says something. */
const ROOM_TO_CUT = 110;
/** Arrows are drawn up to this many rows; beyond, they are a thicket. */
const MOST_ARROW_ROWS = 30;
/** Lengths of the time axis, in seconds, that a live picture steps through: no bar may shrink at every frame. */
const DOMAINS = [2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800, 2700, 3600];
const TICK_STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600,
];

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
