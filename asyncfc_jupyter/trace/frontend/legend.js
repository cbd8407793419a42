// @ts-check
/**
 * The legend: what the colours, patterns and signs mean.
 *
 * @typedef {import("./format.js").Story} Story
 * @typedef {import("./ink.js").Ink} Ink
 */

import { Brush } from "./brush.js";
import { box } from "./elements.js";
import { savedBy } from "./format.js";
import { LOOKS, SHORTEST_QUEUE_S } from "./shared.js";

/** What the colours, patterns and signs in this picture mean; only those that are in it. */
export class Legend {
  constructor() {
    this.root = box("div", "afc-legend");
    this.key = "";
    /** @type {Array<[string, string]>} */
    this.shown = [];
  }

  /** @param {Story} story @param {boolean} packed @param {Ink} ink @param {number} ratio */
  show(story, packed, ink, ratio) {
    const kinds = new Set(story.runs.flatMap(({ view }) => kindsOf(view)));
    // Lanes have no room for it.
    if (packed) kinds.delete("seen");
    if (story.runs.some((_, run) => savedBy(story, run) > 0)) kinds.add("saved");
    const key = [...kinds].sort().join(" ") + ink.colours.paper + ratio;
    if (key === this.key) return;
    this.key = key;
    this.shown = Object.entries(LOOKS)
      .filter(([kind, { words }]) => kinds.has(kind) && words !== "")
      .map(([kind, { words }]) => [kind, words]);
    this.root.replaceChildren(...this.shown.map(([kind, label]) => {
      const item = box("div", "afc-key");
      const canvas = /** @type {HTMLCanvasElement} */ (box("canvas", ""));
      canvas.width = Math.round(20 * ratio);
      canvas.height = Math.round(14 * ratio);
      canvas.setAttribute("aria-hidden", "true");
      const context = canvas.getContext("2d");
      if (context !== null) {
        context.scale(ratio, ratio);
        paintKey(context, ink, kind, 0, 0);
      }
      item.append(canvas, label);
      return item;
    }));
  }
}

/** @param {import("./format.js").View} view */
function kindsOf(view) {
  const kinds = new Set(view.decode.map(({ kind }) => /** @type {string} */ (kind)));
  for (const row of view.rows) {
    for (const { kind, hazard, start, end } of row.segments) {
      // Neither a moment in the queue nor what begins at the very end of the picture takes any room.
      if (kind === "discarded" && start >= (end ?? view.span)) continue;
      if (kind === "queued" && end !== null && end - start < SHORTEST_QUEUE_S) continue;
      kinds.add(kind === "hazard" ? `hazard-${hazard || "RAW"}` : kind);
    }
    if (row.seen !== null) kinds.add("seen");
    if (row.critical) kinds.add("critical");
  }
  if (view.overlap.length > 0) kinds.add("overlap");
  return [...kinds];
}

/** @param {CanvasRenderingContext2D} context @param {Ink} ink @param {string} kind @param {number} x @param {number} y */
export function paintKey(context, ink, kind, x, y) {
  const brush = new Brush(context, () => 0);
  brush.ink = ink;
  const { colour, hatch } = LOOKS[kind];
  if (kind === "seen") brush.seen(x + 9, y + 7, 4);
  else if (kind === "critical") brush.frame(x + 1, y + 2, 16, 10, colour);
  else if (kind === "retry") brush.frame(x + 1, y + 2, 16, 10, colour);
  else if (kind === "discarded") brush.frame(x + 1, y + 2, 16, 10, colour, true);
  else if (kind === "skipped") brush.sign(kind, x + 9, y + 7, 3.5, colour);
  else if (kind === "arguments") brush.bar(x, y + 5, 18, 4, ink.colours[colour], 2);
  else if (kind === "queued") brush.bar(x, y + 6, 18, 2, ink.colours[colour], 0);
  else if (kind === "abandoned") brush.abandoned(x, y + 1, 18, 12);
  else if (hatch !== "") brush.bar(x, y + 1, 18, 12, ink.patterns[kind], 3);
  else {
    brush.bar(x, y + 1, 18, 12, ink.colours[colour], 3);
    if (kind === "running") brush.frame(x + 0.75, y + 1.75, 16.5, 10.5, "done");
    if (kind === "failed" || kind === "cancelled") brush.sign(kind, x + 9, y + 7, 3, `${kind}-ink`);
  }
}
