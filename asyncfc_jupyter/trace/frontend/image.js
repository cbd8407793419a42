// @ts-check
/**
 * The whole picture as an image, with its head and legend: for the clipboard, or as a file where there is no clipboard.
 *
 * @typedef {import("./ink.js").Ink} Ink
 * @typedef {import("./layout.js").Measure} Measure
 * @typedef {import("./paint.js").Scene} Scene
 */

import { fit } from "./layout.js";
import { paintKey } from "./legend.js";
import { Painter } from "./paint.js";

const PAD = 20;
const HEAD = 84;
/** Pixels of the image for each of the page: sharp on a slide. */
const SHARPNESS = 2;
/** The longest side of an image, in pixels: browsers draw nothing on larger ones. */
const LONGEST = 8000;

/**
 * @param {Scene} scene
 * @param {Ink} ink
 * @param {Measure} measure
 * @param {Array<[string, string]>} legend
 * @returns {Promise<string>} the new text of the button
 */
export async function copyImage(scene, ink, measure, legend) {
  const canvas = drawImage(scene, ink, measure, legend);
  /** @type {Promise<Blob>} */
  const image = new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob === null ? reject(new Error("the image could not be made")) : resolve(blob)), "image/png");
  });
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": image })]);
    return "Copied";
  } catch {
    // A page that is not served securely has no clipboard.
    const link = document.createElement("a");
    link.download = "timeline.png";
    link.href = URL.createObjectURL(await image);
    link.click();
    URL.revokeObjectURL(link.href);
    return "Saved";
  }
}

/**
 * Return the picture alone, without head and legend.
 * @param {Scene} scene
 * @param {Ink} ink
 * @param {Measure} measure
 * @param {number} sharpness
 */
export function drawScene(scene, ink, measure, sharpness) {
  const { canvas, painter } = easel(scene.width, scene.height, ink, measure, sharpness);
  painter.paint(scene);
  return canvas;
}

/**
 * Return an empty canvas of a size in pixels of the page, as sharp as browsers can draw it.
 * @param {number} width
 * @param {number} height
 * @param {Ink} ink
 * @param {Measure} measure
 * @param {number} sharpness
 */
function easel(width, height, ink, measure, sharpness) {
  const ratio = Math.min(sharpness, LONGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.floor(width * ratio), Math.floor(height * ratio)];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const painter = new Painter(context, measure);
  painter.ink = ink;
  context.scale(ratio, ratio);
  context.fillStyle = ink.colours.paper;
  context.fillRect(0, 0, width, height);
  return { canvas, painter };
}

/**
 * @param {Scene} scene
 * @param {Ink} ink
 * @param {Measure} measure
 * @param {Array<[string, string]>} legend
 */
function drawImage(scene, ink, measure, legend) {
  const keys = placeKeys(legend, scene.width, measure);
  const foot = keys.length > 0 ? keys[keys.length - 1].y + 30 : 10;
  const [width, height] = [scene.width + 2 * PAD, HEAD + scene.height + foot];
  const { canvas, painter } = easel(width, height, ink, measure, SHARPNESS);
  const { context } = painter;
  context.save();
  context.translate(PAD, HEAD);
  painter.paint(scene);
  context.restore();
  drawHead(painter, scene, width);
  for (const { kind, label, x, y } of keys) {
    paintKey(context, ink, kind, PAD + x, HEAD + scene.height + y);
    painter.words({ text: label, x: PAD + x + 24, anchor: "start", inside: false }, HEAD + scene.height + y + 11, 12, "muted");
  }
  return canvas;
}

/** @param {Painter} painter @param {Scene} scene @param {number} width */
function drawHead(painter, { story }, width) {
  let right = width - PAD;
  for (const { value, label } of [...story.figures].reverse()) {
    const wide = Math.max(painter.measure(value, 20, true), painter.measure(label, 12));
    if (right - wide < width / 3) break;
    painter.words({ text: value, x: right, anchor: "end", inside: false }, 38, 20, "ink", true);
    painter.words({ text: label, x: right, anchor: "end", inside: false }, 56, 12, "muted");
    right -= wide + 24;
  }
  const room = right - PAD;
  painter.words({ text: fit(story.title, 17, room, painter.measure), x: PAD, anchor: "start", inside: false }, 36, 16, "ink", true);
  painter.words({ text: fit(story.subtitle, 13, room, painter.measure), x: PAD, anchor: "start", inside: false }, 56, 13, "muted");
}

/** @param {Array<[string, string]>} legend @param {number} width @param {Measure} measure */
function placeKeys(legend, width, measure) {
  let [x, y] = [0, 14];
  return legend.map(([kind, label]) => {
    const wide = 24 + measure(label, 12) + 16;
    if (x + wide > width && x > 0) [x, y] = [0, y + 20];
    x += wide;
    return { kind, label, x: x - wide, y };
  });
}
