// @ts-check
/**
 * The few shapes that the picture is made of, in the colours of the theme.
 *
 * @typedef {import("./ink.js").Ink} Ink
 * @typedef {import("./layout.js").Label} Label
 * @typedef {import("./layout.js").Measure} Measure
 */

import { font } from "./elements.js";

export class Brush {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Measure} measure
   */
  constructor(context, measure) {
    this.context = context;
    this.measure = measure;
    /** @type {Ink} */
    this.ink = { colours: {}, patterns: {}, family: "sans-serif" };
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height @param {() => void} work */
  clipped(x, y, width, height, work) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(x, y, width, Math.max(0, height));
    this.context.clip();
    work();
    this.context.restore();
  }

  /** @param {Label} label @param {number} y @param {number} size @param {string} colour @param {boolean} [bold] */
  words({ text, x, anchor }, y, size, colour, bold = false) {
    const { context } = this;
    context.font = font(size, bold, this.ink.family);
    context.textAlign = anchor === "middle" ? "center" : anchor === "end" ? "right" : "left";
    context.fillStyle = this.ink.colours[colour] ?? this.ink.colours.ink;
    context.fillText(text, x, y);
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height @param {string|CanvasPattern} fill @param {number} round */
  bar(x, y, width, height, fill, round) {
    const { context } = this;
    context.fillStyle = fill;
    if (width < 6 || round === 0) context.fillRect(x, y, width, height);
    else {
      context.beginPath();
      context.roundRect(x, y, width, height, round);
      context.fill();
    }
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height @param {string} colour @param {boolean} [dashed] */
  frame(x, y, width, height, colour, dashed = false) {
    const { context } = this;
    context.strokeStyle = this.ink.colours[colour];
    context.lineWidth = 1.5;
    context.setLineDash(dashed ? [3, 3] : []);
    context.beginPath();
    context.roundRect(x, y, Math.max(0.5, width), height, Math.min(4, height / 3));
    context.stroke();
    context.setLineDash([]);
  }

  /** A request of which nothing is used: fine lines with a fine edge. @param {number} x @param {number} y @param {number} width @param {number} height */
  abandoned(x, y, width, height) {
    const { context } = this;
    this.bar(x, y, width, height, this.ink.patterns.abandoned, 3);
    context.strokeStyle = this.ink.colours.text;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(x + 0.5, y + 0.5, Math.max(0.3, width - 1), height - 1, 2.5);
    context.stroke();
  }

  /** @param {number} x @param {number} until @param {number} y */
  dots(x, until, y) {
    this.context.fillStyle = this.ink.colours.data;
    for (let at = x; at < until; at += 6) this.context.fillRect(at, y - 0.7, 2, 1.4);
  }

  /** Clear paper for a label. @param {number} x @param {number} y @param {number} width */
  erase(x, y, width) {
    this.context.fillStyle = this.ink.colours.paper;
    this.context.fillRect(x - width / 2, y - 9, width, 18);
  }

  /** @param {number} x @param {number} y @param {number} radius */
  seen(x, y, radius) {
    const { context } = this;
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fillStyle = this.ink.colours.paper;
    context.fill();
    context.strokeStyle = this.ink.colours.ink;
    context.lineWidth = 1.7;
    context.stroke();
  }

  /** The sign of a call without a result: a cross for failed, a bar for cancelled, a leap for skipped. @param {string} kind @param {number} x @param {number} y @param {number} size @param {string} colour */
  sign(kind, x, y, size, colour) {
    const { context } = this;
    context.strokeStyle = this.ink.colours[colour];
    context.lineWidth = 1.8;
    context.lineCap = "round";
    context.beginPath();
    if (kind === "failed") {
      for (const way of [1, -1]) context.moveTo(x - size, y - way * size), context.lineTo(x + size, y + way * size);
    } else if (kind === "cancelled") {
      context.moveTo(x - size, y);
      context.lineTo(x + size, y);
    } else {
      context.moveTo(x - 1.4 * size, y + size);
      context.quadraticCurveTo(x, y - 2 * size, x + 1.2 * size, y + 0.6 * size);
      context.moveTo(x + 1.3 * size, y - 0.7 * size);
      context.lineTo(x + 1.2 * size, y + 0.6 * size);
      context.lineTo(x - 0.1 * size, y + 0.3 * size);
    }
    context.stroke();
    context.lineCap = "butt";
  }
}
