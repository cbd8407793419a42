// @ts-check
/**
 * What a future is drawn with: its bars with the signs of how they ended, and the arrows that join two of them.
 *
 * @typedef {import("./format.js").Row} Row
 * @typedef {import("./layout.js").Bar} Bar
 * @typedef {import("./paint.js").Scene} Scene
 * @typedef {import("./time.js").Scale} Scale
 */

import { Brush } from "./brush.js";
import { hatch } from "./ink.js";
import { endsInSign, keyOf, worked } from "./layout.js";
import { LOOKS, RETRY_ROOM, WAITS } from "./shared.js";
import { position } from "./time.js";

export class Marks extends Brush {
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
      // The fill of what is not done yet is pale.
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

  /** Where an attempt failed and the call was made again. @param {Row} row @param {Scale} scale @param {number} middle @param {number} height */
  paintRetries(row, scale, middle, height) {
    let drawn = -Infinity;
    for (const { at } of row.retries ?? []) {
      const x = position(scale, at);
      // Signs closer than this would be one blot.
      if (x - drawn < RETRY_ROOM) continue;
      drawn = x;
      this.context.fillStyle = this.ink.colours.lane;
      this.context.fillRect(x - RETRY_ROOM / 2, middle - height / 2, RETRY_ROOM, height);
      this.sign("failed", x, middle, 3, "failed");
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
}
