// @ts-check
/**
 * Colours and patterns for the canvas. The style sheet knows the theme, so colours are read from it. No
 * state is shown by colour alone: each kind of wait has a pattern of its own, and each kind of outcome a sign.
 *
 * @typedef {{colours: Record<string, string>, patterns: Record<string, CanvasPattern|string>, family: string}} Ink
 */

import { COLOURS, HATCHES, LOOKS, TILE } from "./shared.js";

/**
 * Read the colours that the style sheet gives, and make the patterns of them.
 * @param {HTMLElement} root
 * @param {CanvasRenderingContext2D} context
 * @param {number} ratio pixels of the screen for each of the page
 * @returns {Ink}
 */
export function readInk(root, context, ratio) {
  const probe = document.createElement("span");
  probe.hidden = true;
  root.append(probe);
  const style = getComputedStyle(probe);
  /** @type {Ink["colours"]} */
  const colours = {};
  for (const name of COLOURS) {
    probe.style.color = `var(--afc-${name})`;
    colours[name] = style.color;
  }
  const family = style.fontFamily;
  probe.remove();
  /** @type {Ink["patterns"]} */
  const patterns = {};
  for (const [kind, { colour, hatch }] of Object.entries(LOOKS)) {
    if (hatch === "") continue;
    // What a run saved lies on the lines of the axis.
    const ground = kind === "saved" ? null : colours.lane;
    const pattern = context.createPattern(drawTile(hatch, colours[colour], ground, ratio), "repeat");
    pattern?.setTransform(new DOMMatrix().scale(1 / ratio));
    patterns[kind] = pattern ?? colours[colour];
  }
  return { colours, patterns, family };
}

/**
 * @param {Ink} ink
 * @param {string} kind
 * @param {string} hazard
 */
export function hatch(ink, kind, hazard) {
  return ink.patterns[kind === "hazard" ? `hazard-${hazard || "RAW"}` : kind] ?? ink.colours.data;
}

/**
 * @param {string} hatch
 * @param {string} colour
 * @param {string|null} ground
 * @param {number} ratio
 */
function drawTile(hatch, colour, ground, ratio) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(TILE * ratio);
  const context = tile.getContext("2d");
  if (context === null) return tile;
  context.scale(tile.width / TILE, tile.height / TILE);
  if (ground !== null) {
    context.fillStyle = ground;
    context.fillRect(0, 0, TILE, TILE);
  }
  context.strokeStyle = colour;
  context.lineWidth = HATCHES[hatch].width;
  context.lineCap = "round";
  context.stroke(new Path2D(HATCHES[hatch].path));
  return tile;
}
