// @ts-check
/**
 * The two entry points: `mount` for a page of its own, `widget` for a notebook.
 *
 * @typedef {import("./format.js").Comparison} Comparison
 * @typedef {import("./format.js").View} View
 * @typedef {{get: (name: string) => any, on: (event: string, listener: (...news: any[]) => void) => void,
 *   off: (event: string, listener: (...news: any[]) => void) => void, send: (message: object) => void}} Model
 */

import { keepFolds } from "./folds.js";
import { holdScroll } from "./hold_scroll.js";
import { Timeline } from "./timeline.js";

/**
 * Draw a view that will not change.
 * @param {HTMLElement} host
 * @param {View|Comparison} view
 */
export function mount(host, view) {
  const timeline = new Timeline(host, null);
  // In a notebook it stands below the user's headings, here below none.
  timeline.head.title.setAttribute("aria-level", "1");
  timeline.setView(view, false);
  return () => timeline.destroy();
}

/**
 * Call a function with each element that a selector finds, now and later.
 * @param {string} selector
 * @param {(found: HTMLElement) => void} take
 */
function watchFor(selector, take) {
  const look = () => {
    for (const found of document.querySelectorAll(selector)) if (found instanceof HTMLElement) take(found);
  };
  look();
  const watching = new MutationObserver(look);
  watching.observe(document.body, { childList: true, subtree: true });
  return () => watching.disconnect();
}

/**
 * The front end of one model. A notebook can only save a picture, so the output of a finished run is a picture. On the page a
 * timeline replaces that picture: the one that grew during the run, with its zoom, or a new one. A finished run needs no kernel.
 */
function widget() {
  /** Timelines in outputs, also those whose output has just gone. @type {Set<Timeline>} */
  const inOutputs = new Set();

  /** @param {HTMLElement} host @param {Model} model */
  const takePlace = (host, model) => {
    host.dataset.taken = "";
    const [timeline = new Timeline(host, null)] = inOutputs;
    inOutputs.delete(timeline);
    timeline.act = null;
    holdScroll(host);
    host.replaceChildren(timeline.root);
    timeline.setView(model.get("view"), false);
    model.send({ type: "gone" });
  };

  /** Called when the model is made, whether or not an output shows it. @param {{model: Model}} context */
  const initialize = ({ model }) => {
    keepFolds();
    const place = model.get("place") ?? "";
    let stop = () => {};
    const settle = () => {
      stop();
      stop = () => {};
      if (model.get("view").live || !/^[a-z0-9]+$/.test(place)) return;
      stop = watchFor(`.asyncfc-kept-${place}:not([data-taken])`, (host) => takePlace(host, model));
    };
    settle();
    model.on("change:view", settle);
    return () => {
      model.off("change:view", settle);
      stop();
      for (const timeline of inOutputs) timeline.destroy();
    };
  };

  /** @param {{model: Model, el: HTMLElement}} context */
  const render = ({ model, el }) => {
    const timeline = new Timeline(el, model.get("acts") ? (action) => model.send(action) : null);
    inOutputs.add(timeline);
    // The end of the run comes as a change or as the whole view, whichever is first.
    const ends = (/** @type {{live: boolean}} */ view) => {
      if (timeline.story?.live && !view.live) holdScroll(el);
    };
    const replace = () => {
      const view = model.get("view");
      ends(view);
      // Another run begins in the same place.
      if (view.live) timeline.restart();
      timeline.setView(view, false);
    };
    const receive = (/** @type {any} */ message) => {
      if (message.type === "bars") {
        ends(message);
        timeline.change(message);
      } else if (message.type === "snapshot") timeline.setView(message.view, true);
    };
    replace();
    model.on("change:view", replace);
    model.on("msg:custom", receive);
    // The model's view is as old as its last synchronisation: a front end that opens during a run asks for the present view.
    if (timeline.story?.live) model.send({ type: "hello" });
    return () => {
      model.off("change:view", replace);
      model.off("msg:custom", receive);
      // After the run its picture replaces this output, and takes the timeline over.
      if (model.get("view").live && inOutputs.delete(timeline)) timeline.destroy();
    };
  };

  return { initialize, render };
}

export default widget;
