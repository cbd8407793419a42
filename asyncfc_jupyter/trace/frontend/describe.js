// @ts-check
/**
 * A future in words: for the tooltip, the pinned card, the table and the search.
 *
 * @typedef {import("./format.js").Row} Row
 * @typedef {import("./format.js").Segment} Segment
 * @typedef {import("./format.js").Span} Span
 * @typedef {{style: string, text: string, mark?: string}} Line `mark` names the kind whose colour stands before it
 */

import { LOOKS, SHORTEST_QUEUE_S, WAITS } from "./shared.js";
import { showSeconds } from "./time.js";

/** Words for the pieces of the decode lane. */
const DECODING = {
  first_token: "request sent, waiting for the first token",
  retry: "request failed and retried",
  reasoning: "reasoning",
  call: "arguments of a call",
  text: "text",
  await: "nothing to decode",
  abandoned: "abandoned request",
};

/**
 * Return why a call waited, in order and without repetition. Of several waits for values only the first counts: it names them all.
 * @param {Row} row
 */
export function waitReasons(row) {
  /** @type {string[]} */
  const reasons = [];
  let last = "";
  for (const { kind, reason = "" } of row.segments) {
    if (WAITS.has(kind) && !(WAITS.get(kind) === "values" && last === kind) && !reasons.includes(reason)) reasons.push(reason);
    if (kind !== "queued") last = kind;
  }
  return reasons.join("; ");
}

/**
 * @param {Row} row
 * @param {number} now
 * @returns {Line[]}
 */
export function describe(row, now) {
  /** @type {Line[]} */
  const lines = [];
  if (row.arguments) lines.push({ style: "code", text: row.arguments });
  if (row.marks?.length) lines.push({ style: "plain", text: row.marks.join(", ") });
  for (const segment of row.segments) {
    const line = describeSegment(segment, row, now);
    if (line !== null) lines.push(line);
  }
  if (row.used) lines.push({ style: "plain", text: row.used });
  for (const { at, message } of row.retries ?? []) {
    lines.push({ style: "failed", text: `attempt failed at ${showSeconds(at)}: ${message}` });
  }
  if (row.state === "running" && row.activity) lines.push({ style: "plain", text: row.activity });
  if (row.label) lines.push({ style: row.state, text: row.state === "done" ? `→ ${row.label}` : `${row.state}: ${row.label}` });
  if (row.seen !== null) lines.push({ style: "plain", text: `the model saw it at ${showSeconds(row.seen)}`, mark: "seen" });
  return lines;
}

/**
 * @param {Segment} segment
 * @param {Row} row
 * @param {number} now
 * @returns {Line|null}
 */
function describeSegment({ kind, start, end, reason = "", hazard }, row, now) {
  const open = end === null;
  const lasted = showSeconds(Math.max(0, (end ?? now) - start));
  if (kind === "arguments") return { style: "plain", text: `arguments streamed for ${lasted}`, mark: kind };
  if (kind === "queued" && !open && end - start < SHORTEST_QUEUE_S) return null;
  if (kind === "queued") return { style: "plain", text: `queued ${lasted}`, mark: kind };
  if (kind === "discarded") return { style: "plain", text: open ? `still running for ${lasted}, result discarded` : `${lasted} later ${reason}`, mark: kind };
  if (WAITS.has(kind)) {
    const more = hazard ? `: ${LOOKS[`hazard-${hazard}`]?.words ?? ""}` : "";
    return { style: kind, text: `${open ? "waiting" : "waited"} ${lasted}: ${reason}${more}`, mark: kind };
  }
  if (start === end && kind !== "done") return null;
  const progress = open && row.progress !== undefined ? `, ${Math.round(row.progress * 100)}%` : "";
  return { style: "plain", text: `${open ? "running for" : "ran"} ${lasted}${progress}`, mark: kind };
}

/**
 * @param {Span} span
 * @param {number} now
 */
export function describeSpan(span, now) {
  const what = span.kind === "call" && span.label ? `arguments of ${span.label}` : DECODING[span.kind];
  const lasted = showSeconds(Math.max(0, (span.end ?? now) - span.start));
  if (span.kind === "abandoned") return `${span.label} (after ${lasted})`;
  const detail = (span.kind === "await" || span.kind === "retry") && span.label ? `: ${span.label}` : "";
  return `${what} for ${lasted}${detail}`;
}

/**
 * Return whether a search finds a future: each word must be part of a text that the future shows.
 * @param {Row} row
 * @param {string} search
 * @param {string} tool only this tool; all when empty
 */
export function matches(row, search, tool) {
  if (tool !== "" && row.tool !== tool) return false;
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const text = `${row.future} ${row.tool} ${row.arguments} ${row.state} ${row.label} ${waitReasons(row)}`.toLowerCase();
  return words.every((word) =>
    /^f\d+$/.test(word) ? row.future === word || new RegExp(`\\$${word}(?!\\d)`).test(text) : text.includes(word),
  );
}

/**
 * Return a future as cells of the table: name, tool, arguments, state, waited, ran, outcome, seen.
 * @param {Row} row
 * @param {number} now
 * @returns {string[]}
 */
export function cells(row, now) {
  let waited = 0;
  let ran = "";
  for (const { kind, start, end } of row.segments) {
    const lasted = Math.max(0, (end ?? now) - start);
    if (WAITS.has(kind)) waited += lasted;
    else if (kind === "running" || (row.state === kind && start !== end)) ran = showSeconds(lasted);
  }
  const reasons = waitReasons(row);
  return [
    row.future,
    row.tool,
    row.arguments,
    row.asks !== undefined ? "asks for approval" : row.state,
    waited > 0.0005 ? `${showSeconds(waited)}: ${reasons}` : "",
    ran,
    row.label,
    row.seen === null ? "" : showSeconds(row.seen),
  ];
}
