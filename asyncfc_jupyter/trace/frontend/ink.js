// @ts-check
/**
 * Colours and patterns for the canvas. The style sheet owns the colours and knows the theme; here they are only read. No
 * state is told by colour alone: each kind of waiting has a pattern of its own, and each kind of end a sign.
 *
 * @typedef {{colours: Record<string, string>, patterns: Record<string, CanvasPattern|string>, family: string}} Ink
 */

const COLOURS = [
  "paper", "ink", "muted", "line", "lane", "call", "call-ink", "first", "text", "text-ink", "reasoning", "reasoning-ink",
  "running", "running-ink", "done", "done-ink", "failed", "failed-ink", "cancelled", "cancelled-ink", "data", "hazard",
  "approval", "limit", "overlap", "saved",
];
/** Side of the tile that a pattern repeats, in pixels: its lines meet at the edges of the tile. */
const TILE = 8;
/** How each pattern is drawn, and in which colour. Hazards lean one way, the other way, or both. */
const PATTERNS = /** @type {Record<string, [string, string]>} */ ({
  data: ["rising", "data"],
  same: ["level", "data"],
  "hazard-RAW": ["rising", "hazard"],
  "hazard-WAR": ["falling", "hazard"],
  "hazard-WAW": ["crossed", "hazard"],
  irreversible: ["upright", "hazard"],
  approval: ["level", "approval"],
  limit: ["dotted", "limit"],
  saved: ["rising", "saved"],
});

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
  for (const [kind, [shape, colour]] of Object.entries(PATTERNS)) {
    const ground = kind === "saved" ? "transparent" : colours.lane;
    const tile = drawTile(shape, colours[colour], ground, ratio);
    const pattern = context.createPattern(tile, "repeat");
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
 * @param {string} shape
 * @param {string} colour
 * @param {string} ground
 * @param {number} ratio
 */
function drawTile(shape, colour, ground, ratio) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(TILE * ratio);
  const context = tile.getContext("2d");
  if (context === null) return tile;
  context.scale(tile.width / TILE, tile.height / TILE);
  if (ground !== "transparent") {
    context.fillStyle = ground;
    context.fillRect(0, 0, TILE, TILE);
  }
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = shape === "crossed" ? 1.3 : 2;
  context.beginPath();
  const diagonal = (/** @type {number} */ sign) => {
    for (const shift of [-TILE, 0, TILE]) {
      context.moveTo(shift - 1, sign > 0 ? TILE + 1 : -1);
      context.lineTo(shift + TILE + 1, sign > 0 ? -1 : TILE + 1);
    }
  };
  if (shape === "rising" || shape === "crossed") diagonal(1);
  if (shape === "falling" || shape === "crossed") diagonal(-1);
  if (shape === "upright") for (const x of [2, 6]) context.moveTo(x, 0), context.lineTo(x, TILE);
  if (shape === "level") for (const y of [2, 6]) context.moveTo(0, y), context.lineTo(TILE, y);
  context.stroke();
  if (shape === "dotted") {
    for (const [x, y] of [[2, 2], [6, 6]]) {
      context.beginPath();
      context.arc(x, y, 1.4, 0, 7);
      context.fill();
    }
  }
  return tile;
}
