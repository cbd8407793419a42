// @ts-check
/**
 * Folds of what tools put out are plain HTML, which the notebook replaces as a whole whenever there is a new line. Whoever has opened
 * one wants it to stay open and where it was scrolled to; at its end, it follows what comes.
 *
 * @typedef {{top: number, ends: boolean}} Place
 */

/** Notebooks may load this more than once; the page needs one keeper. */
const KEEPER = Symbol.for("asyncfc folds");
/** How many pixels from its end a text counts as scrolled to the end: a line. */
const END_PX = 24;

/** @param {EventTarget|null} target */
function foldAt(target) {
  const fold = target instanceof HTMLElement ? target.closest("details.asyncfc-fold") : null;
  const key = fold && [...fold.classList].find((name) => name.startsWith("asyncfc-fold-of-"));
  return fold instanceof HTMLDetailsElement && key ? { fold, key } : null;
}

/** @param {HTMLDetailsElement} fold @param {Place} place */
function restoreFold(fold, place) {
  fold.open = true;
  const text = fold.querySelector("pre");
  if (text) text.scrollTop = place.ends ? text.scrollHeight : place.top;
}

/** Keep folds as the person has left them, from now on. */
export function keepFolds() {
  const page = /** @type {Record<symbol, boolean>} */ (/** @type {unknown} */ (globalThis));
  if (page[KEEPER]) return;
  page[KEEPER] = true;
  /** @type {Map<string, Place>} */
  const open = new Map();
  const toggled = (/** @type {Event} */ event) => {
    const found = foldAt(event.target);
    if (!found) return;
    if (!found.fold.open) open.delete(found.key);
    else if (!open.has(found.key)) {
      const place = { top: 0, ends: found.fold.classList.contains("asyncfc-fold-live") };
      open.set(found.key, place);
      restoreFold(found.fold, place);
    }
  };
  const scrolled = (/** @type {Event} */ event) => {
    const found = foldAt(event.target);
    if (!found || !open.has(found.key) || !(event.target instanceof HTMLElement)) return;
    const { scrollTop, clientHeight, scrollHeight } = event.target;
    open.set(found.key, { top: scrollTop, ends: scrollTop + clientHeight >= scrollHeight - END_PX });
  };
  // Neither of the two bubbles.
  document.addEventListener("toggle", toggled, true);
  document.addEventListener("scroll", scrolled, true);
  new MutationObserver((changes) => {
    if (open.size === 0) return;
    for (const { addedNodes } of changes)
      for (const node of addedNodes)
        if (node instanceof HTMLElement)
          for (const element of [node, ...node.querySelectorAll("details.asyncfc-fold")]) {
            const found = element instanceof HTMLDetailsElement ? foldAt(element) : null;
            const place = found && open.get(found.key);
            if (found && place) restoreFold(found.fold, place);
          }
  }).observe(document.body, { childList: true, subtree: true });
}
