// @ts-check
/**
 * Folds of the tools' output are plain HTML, which the notebook replaces as a whole for each new line. A fold that a user has
 * opened stays open and keeps its scroll position and the keyboard's focus; scrolled to its end, it follows new lines.
 *
 * @typedef {{top: number, ends: boolean}} Place
 * @typedef {{fold: HTMLDetailsElement, key: string}} Found
 */

/** Notebooks may load this more than once; the page needs one keeper. */
const KEEPER = Symbol.for("asyncfc folds");
/** How many pixels from its end a text counts as scrolled to the end: a line. */
const END_PX = 24;

/** @param {EventTarget|null} target @returns {Found|null} */
function foldAt(target) {
  const fold = target instanceof Element ? target.closest("details.asyncfc-fold") : null;
  const key = fold && [...fold.classList].find((name) => name.startsWith("asyncfc-fold-of-"));
  return fold instanceof HTMLDetailsElement && key ? { fold, key } : null;
}

/** @param {EventTarget|null} target @returns {Found|null} */
function headingAt(target) {
  return target instanceof Element && target.closest("summary") ? foldAt(target) : null;
}

/** The folds that users have opened, by their keys, and their scroll positions. */
class FoldKeeper {
  /** @type {Map<string, Place>} */
  open = new Map();
  /**
   * The elements whose state has been restored.
   * @type {WeakSet<HTMLDetailsElement>}
   */
  restored = new WeakSet();
  /**
   * The heading on which the mouse button was pressed.
   * @type {Found|null}
   */
  pressed = null;
  /**
   * The fold whose heading has the keyboard's focus.
   * @type {string|null}
   */
  focused = null;

  watch() {
    // Captured, since not all of these events bubble.
    document.addEventListener("pointerdown", this.press, true);
    document.addEventListener("pointerup", this.release, true);
    document.addEventListener("click", this.click, true);
    document.addEventListener("toggle", this.toggle, true);
    document.addEventListener("scroll", this.scroll, true);
    document.addEventListener("focusin", this.focus, true);
    new MutationObserver(this.replace).observe(document.body, { childList: true, subtree: true });
  }

  /** @param {PointerEvent} event */
  press = (event) => {
    this.pressed = event.button === 0 ? headingAt(event.target) : null;
    if (!this.pressed) this.focused = null;
  };

  /**
   * A heading that is replaced while the button is down gets no click from the browser: it is clicked here. For any other the
   * click has happened when the time-out ends.
   * @param {PointerEvent} event
   */
  release = (event) => {
    const was = this.pressed;
    if (was && headingAt(event.target)?.key === was.key)
      setTimeout(() => {
        const heading = document.querySelector(`details.${CSS.escape(was.key)} > summary`);
        if (this.pressed === was && heading instanceof HTMLElement) heading.click();
      });
  };

  /**
   * Noted at once, whether from a pointer or a key: the fold may be replaced before the event of its toggle arrives.
   * @param {MouseEvent} event
   */
  click = (event) => {
    this.pressed = null;
    const found = headingAt(event.target);
    if (!found) return;
    if (found.fold.open) this.open.delete(found.key);
    else this.keep(found);
  };

  /** @param {Event} event */
  toggle = (event) => {
    const found = foldAt(event.target);
    if (!found) return;
    if (found.fold.open) return this.restore(found.fold, this.keep(found));
    this.open.delete(found.key);
    this.restored.delete(found.fold);
  };

  /** @param {Event} event */
  scroll = (event) => {
    const found = foldAt(event.target);
    if (!found || !this.open.has(found.key) || !(event.target instanceof HTMLElement)) return;
    const { scrollTop, clientHeight, scrollHeight } = event.target;
    this.open.set(found.key, { top: scrollTop, ends: scrollTop + clientHeight >= scrollHeight - END_PX });
  };

  /** @param {FocusEvent} event */
  focus = (event) => {
    this.focused = headingAt(event.target)?.key ?? null;
  };

  /** @param {MutationRecord[]} changes */
  replace = (changes) => {
    if (this.open.size === 0 && this.focused === null) return;
    for (const { addedNodes } of changes)
      for (const node of addedNodes)
        if (node instanceof HTMLElement)
          for (const element of [node, ...node.querySelectorAll("details.asyncfc-fold")]) {
            const found = element instanceof HTMLDetailsElement ? foldAt(element) : null;
            const place = found && this.open.get(found.key);
            if (found && place) this.restore(found.fold, place);
            if (found && found.key === this.focused && document.activeElement === document.body)
              found.fold.querySelector("summary")?.focus({ preventScroll: true });
          }
  };

  /** @param {Found} found @returns {Place} */
  keep({ fold, key }) {
    const place = this.open.get(key) ?? { top: 0, ends: fold.classList.contains("asyncfc-fold-live") };
    this.open.set(key, place);
    return place;
  }

  /** @param {HTMLDetailsElement} fold @param {Place} place */
  restore(fold, place) {
    if (this.restored.has(fold)) return;
    this.restored.add(fold);
    fold.open = true;
    const text = fold.querySelector("pre");
    if (text) text.scrollTop = place.ends ? text.scrollHeight : place.top;
  }
}

/** Keep folds as the user has left them, from now on. */
export function keepFolds() {
  const page = /** @type {Record<symbol, boolean>} */ (/** @type {unknown} */ (globalThis));
  if (page[KEEPER]) return;
  page[KEEPER] = true;
  new FoldKeeper().watch();
}
