// @ts-check
/**
 * The elements that the timeline is built of. Text comes from models and tools and is hostile: it is only ever set as
 * `textContent` or as an attribute that holds plain text.
 *
 * @typedef {import("./layout.js").Label} Label
 * @typedef {import("./layout.js").Measure} Measure
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @param {Record<string, string|number>} attributes
 * @param {Array<Element>} children
 * @returns {SVGElement}
 */
export function shape(name, attributes = {}, children = []) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, typeof value === "number" ? String(Math.round(value * 10) / 10) : value);
  }
  element.append(...children);
  return element;
}

/**
 * @param {Label} label
 * @param {number} y
 * @param {number} size
 * @param {string} style
 */
export function words(label, y, size, style) {
  const element = shape("text", { x: label.x, y, "font-size": size, "text-anchor": label.anchor, class: style });
  element.textContent = label.text;
  return element;
}

/**
 * @param {string} name
 * @param {string} style
 * @param {string} [text]
 */
export function box(name, style, text) {
  const element = document.createElement(name);
  element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * The sign of a call that came to nothing: a cross for failed, a bar for cancelled, a leap for skipped.
 * @param {string} kind
 * @param {number} x
 * @param {number} y
 * @param {boolean} onBar
 */
export function sign(kind, x, y, onBar) {
  const path = {
    failed: `M${x - 3.5} ${y - 3.5}l7 7m0 -7l-7 7`,
    cancelled: `M${x - 4} ${y}h8`,
    skipped: `M${x - 5} ${y + 3}q5 -10 9 -1m.6 -4.4l-.4 4.8l-4.6 -1`,
  }[kind];
  return shape("path", { d: path ?? "", class: `afc-sign ${onBar ? "afc-on-bar" : ""}`, "data-kind": kind });
}

/**
 * Make the children of an element like those wanted, and keep the elements that are there: one under the pointer, or in the
 * hands of a screen reader, must not vanish because its bar has grown.
 * @param {Element} parent
 * @param {Element[]} wanted without children of their own
 */
export function morph(parent, wanted) {
  const old = [...parent.children];
  wanted.forEach((element, index) => {
    const existing = old[index];
    if (existing === undefined) parent.append(element);
    else if (existing.tagName !== element.tagName) existing.replaceWith(element);
    else {
      for (const { name } of [...existing.attributes]) if (!element.hasAttribute(name)) existing.removeAttribute(name);
      for (const { name, value } of element.attributes) {
        if (existing.getAttribute(name) !== value) existing.setAttribute(name, value);
      }
      if (existing.textContent !== element.textContent) existing.textContent = element.textContent;
    }
  });
  for (const element of old.slice(wanted.length)) element.remove();
}

/** Text widths as the browser draws them, remembered. @returns {Measure} */
export function ruler() {
  const context = document.createElement("canvas").getContext("2d");
  /** @type {Map<string, number>} */
  const known = new Map();
  return (text, size, bold = false) => {
    const key = `${size}${bold ? "b" : ""}${text}`;
    let width = known.get(key);
    if (width === undefined) {
      if (context !== null) context.font = `${bold ? 650 : 400} ${size}px system-ui, sans-serif`;
      width = context?.measureText(text).width ?? text.length * size * 0.6;
      if (known.size > 20000) known.clear();
      known.set(key, width);
    }
    return width;
  };
}
