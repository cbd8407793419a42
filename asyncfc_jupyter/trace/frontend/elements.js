// @ts-check
/**
 * The elements around the picture. Text comes from models and tools and is hostile: it is only ever set as `textContent` or
 * as an attribute that holds plain text.
 *
 * @typedef {import("./layout.js").Measure} Measure
 */

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
 * @param {string} text what it says
 * @param {string} about what it does, for the pointer that rests on it and for a screen reader
 * @param {() => void} act
 * @param {string} [style]
 */
export function button(text, about, act, style = "") {
  const element = /** @type {HTMLButtonElement} */ (box("button", `afc-button ${style}`.trim(), text));
  element.type = "button";
  keepKeys(element);
  element.title = about;
  element.addEventListener("click", (event) => {
    event.stopPropagation();
    act();
  });
  return element;
}

/**
 * Let an element that can have the focus receive its keys: in command mode a notebook takes the keys of every element that does
 * not carry this mark itself.
 * @param {HTMLElement} element
 */
export function keepKeys(element) {
  element.dataset.lmSuppressShortcuts = "true";
}

/**
 * Set a text only if it differs: screen readers read every change.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Return a function that measures text as the browser draws it, with a cache.
 * @param {() => string} family
 * @returns {Measure}
 */
export function ruler(family) {
  const context = document.createElement("canvas").getContext("2d");
  /** @type {Map<string, number>} */
  const known = new Map();
  return (text, size, bold = false) => {
    const key = `${size}${bold ? "b" : ""}${text}`;
    let width = known.get(key);
    if (width === undefined) {
      if (context !== null) context.font = font(size, bold, family());
      width = context?.measureText(text).width ?? text.length * size * 0.6;
      if (known.size > 20000) known.clear();
      known.set(key, width);
    }
    return width;
  };
}

/**
 * @param {number} size
 * @param {boolean} bold
 * @param {string} family
 */
export function font(size, bold, family) {
  return `${bold ? 650 : 400} ${size}px ${family}`;
}
