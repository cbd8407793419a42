// @ts-check
/**
 * The data that Python sends (`trace/view/wire_format.py` states it for the other side), and the merging of changes into it.
 *
 * @typedef {{value: string, label: string, clock?: boolean}} Figure
 * @typedef {"first_token"|"retry"|"reasoning"|"call"|"text"|"await"|"abandoned"} SpanKind
 * @typedef {{id: string, kind: SpanKind, start: number, end: number|null, label: string, half?: "upper"|"lower"}} Span
 * @typedef {{kind: string, start: number, end: number|null, reason?: string, hazard?: string}} Segment
 * @typedef {{at: number, message: string}} Retry
 * @typedef {{future: string, tool: string, arguments: string, state: string, segments: Segment[], label: string,
 *   seen: number|null, critical: boolean, needs: string[], after: string[], asks?: string, progress?: number,
 *   activity?: string, retries?: Retry[], prints?: string, marks?: string[], used?: string}} Row
 * @typedef {[number, number|null]} Stretch
 * @typedef {{version: number, title: string, subtitle: string, live: boolean, now: number, span: number, figures: Figure[],
 *   decode: Span[], turns: number[], rows: Row[], overlap: Stretch[]}} View
 * @typedef {{title: string, subtitle: string, live: boolean, now: number, span: number, figures: Figure[],
 *   decode: Span[], gone: string[], rows: Row[], turns: {first: number, items: number[]},
 *   overlap: {first: number, items: Stretch[]}}} Changes
 * @typedef {{name: string, note: string, view: View}} RunView
 * @typedef {{version: number, title: string, subtitle: string, span: number, figures: Figure[], runs: RunView[]}} Comparison
 * @typedef {{title: string, subtitle: string, live: boolean, span: number, figures: Figure[], runs: RunView[]}} Story
 */

import { LEAST_SAVED_S, VIEW_VERSION } from "./shared.js";

/**
 * Return one run, or a comparison of several, in one form: a list of runs.
 * @param {View|Comparison} view
 * @returns {Story|null} null when it was made by another version
 */
export function storyOf(view) {
  if (view.version !== VIEW_VERSION) return null;
  if ("runs" in view) return { ...view, live: view.runs.some((run) => run.view.live) };
  const { title, subtitle, live, span, figures } = view;
  return { title, subtitle, live, span, figures, runs: [{ name: "", note: "", view }] };
}

/**
 * Return by how many seconds a run was faster than the slowest run beside it.
 * @param {Story} story
 * @param {number} run
 */
export function savedBy({ runs }, run) {
  const saved = Math.max(...runs.map(({ view }) => view.now)) - runs[run].view.now;
  return runs[run].view.live || saved < LEAST_SAVED_S ? 0 : saved;
}

/**
 * Return the view after the changes. Spans and rows replace those with their id or are new, and some spans are no more; the
 * given view does not change.
 * @param {View} view
 * @param {Changes} changes
 * @returns {View}
 */
export function applyChanges(view, changes) {
  const decode = merged(view.decode, changes.decode, (span) => span.id);
  const gone = new Set(changes.gone);
  return {
    ...view,
    title: changes.title,
    subtitle: changes.subtitle,
    live: changes.live,
    now: changes.now,
    span: changes.span,
    figures: changes.figures,
    decode: gone.size === 0 ? decode : decode.filter(({ id }) => !gone.has(id)),
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
