// @ts-check

/** Milliseconds for which the page is held: the picture comes after the last facts of the run, on a busy page seconds later. */
const HOLD_MS = 10_000;
/**
 * Until when each scroller is held, so that it is not held twice: both would correct the same change.
 * @type {WeakMap<HTMLElement, number>}
 */
const HELD = new WeakMap();

/** @param {Element|null} element */
function scrollerOf(element) {
  for (let each = element; each instanceof HTMLElement; each = each.parentElement)
    if (each.scrollHeight > each.clientHeight && /auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
  return null;
}

/**
 * Keep the page at its place for some seconds, while an output above the visible part changes its height. At the end of a run a
 * timeline loses its buttons and is then replaced by its picture. Notebooks turn the browser's own scroll anchoring off, or
 * replace the element that it holds.
 * @param {HTMLElement} host
 */
export function holdScroll(host) {
  const own = host.closest(".jp-OutputArea-child");
  const area = own?.parentElement;
  const scroller = scrollerOf(host);
  if (!own || !area || !scroller) return;
  const at = [...area.children].indexOf(own) + 1;
  // By number, since a notebook may replace the element of an output that changes.
  const below = () => area.children[at]?.getBoundingClientRect().top;
  const top = below();
  if (top === undefined || top >= scroller.getBoundingClientRect().top) return;
  const held = HELD.has(scroller);
  HELD.set(scroller, performance.now() + HOLD_MS);
  if (held) return;
  const anchoring = scroller.style.overflowAnchor;
  scroller.style.overflowAnchor = "none";
  // Scrolling does not change where an output stands in the document: what does is the height of what is above it.
  let known = top + scroller.scrollTop;
  const correct = () => {
    const now = below();
    const moved = now === undefined ? 0 : now + scroller.scrollTop - known;
    if (Math.abs(moved) < 1) return;
    known += moved;
    scroller.scrollTop += moved;
  };
  // An observer is called after the layout and before the paint, so that the jump is not visible for a frame.
  const resized = new ResizeObserver(correct);
  resized.observe(area);
  const look = () => {
    correct();
    if (area.isConnected && performance.now() < (HELD.get(scroller) ?? 0)) return void requestAnimationFrame(look);
    resized.disconnect();
    HELD.delete(scroller);
    scroller.style.overflowAnchor = anchoring;
  };
  look();
}
