// @ts-check
/**
 * The parts around the picture: its head, questions to the user, search and buttons, the pinned card and the table. Each has a
 * method `show` for what it shows, and reports what the user does through one function.
 *
 * @typedef {import("./format.js").Row} Row
 * @typedef {import("./format.js").Story} Story
 * @typedef {{type: string, future?: string}} Action `approve`, `decline`, `cancel`, or `cancel-run`
 * @typedef {(action: Action) => void} Act
 * @typedef {{search: () => void, fit: () => void, zoom: (factor: number) => void, follow: () => void, lanes: () => void,
 *   copy: () => void, keys: () => void, cancel: () => void}} Does
 */

import { box, button, keepKeys, say } from "./elements.js";
import { cells, describe, describeSpan } from "./describe.js";
import { showSeconds } from "./time.js";

/** Rows of the table: more are found by searching. */
const MOST_CELLS = 500;
const FUTURES = ["future", "tool", "arguments", "state", "waited", "ran", "outcome", "seen at"];
/** Questions shown at once; the others follow as these are answered. */
const MOST_QUESTIONS = 5;
/** Milliseconds after a question has moved up into the place of another one: a press in this time was meant for the other. */
const REACTION_MS = 400;
/** Milliseconds between two versions of the table while the run lasts: no user reads faster. */
const TABLE_MS = 1000;

/** The title, the line below it, and the figures. */
export class Head {
  constructor() {
    // Plain boxes with roles: notebooks style headings, lists and definitions in ways of their own.
    this.title = box("div", "afc-title");
    this.title.setAttribute("role", "heading");
    this.title.setAttribute("aria-level", "3");
    this.subtitle = box("div", "afc-subtitle");
    this.figures = box("div", "afc-figures");
    const texts = box("div", "afc-texts");
    texts.append(this.title, this.subtitle);
    this.root = box("header", "afc-head");
    this.root.append(texts, this.figures);
  }

  /** @param {Story} story @param {number} clock */
  show(story, clock) {
    say(this.title, story.title);
    say(this.subtitle, story.subtitle);
    const key = JSON.stringify(story.figures.map((figure) => [figure.clock ? "" : figure.value, figure.label]));
    if (this.figures.dataset.key === key) return;
    this.figures.dataset.key = key;
    this.figures.replaceChildren(
      ...story.figures.map((figure) => {
        const pair = box("div", "afc-figure");
        const value = box("div", "afc-value", figure.clock ? showSeconds(clock) : figure.value);
        if (figure.clock) value.dataset.clock = "";
        pair.append(value, box("div", "afc-label", figure.label));
        return pair;
      }),
    );
  }

  /** Set the figure that is the time since the start, where there is one. @param {number} clock */
  showClock(clock) {
    const value = this.figures.querySelector("[data-clock]");
    if (value !== null) say(value, showSeconds(clock));
  }
}

/** The questions that wait for the user. They stand above everything else, so that no user misses them. */
export class Questions {
  /** @param {Act} act */
  constructor(act) {
    this.act = act;
    this.root = box("div", "afc-questions");
    this.root.setAttribute("role", "alert");
    this.root.hidden = true;
    this.more = box("div", "afc-more");
    /** Those that are shown, in the order in which they came. @type {Map<string, HTMLElement>} */
    this.shown = new Map();
    /** When one moved up last. */
    this.moved = -Infinity;
  }

  /**
   * A question keeps its place and its element until it is settled, and new ones are appended below: a user who is about to
   * press a button presses the one of the question that was read.
   * @param {Row[]} asking
   * @param {boolean} answerable whether a kernel listens
   */
  show(asking, answerable) {
    const rows = new Map(asking.map((row) => [JSON.stringify([answerable, row.future, row.tool, row.asks]), row]));
    for (const [key, element] of this.shown) {
      if (rows.has(key)) continue;
      element.remove();
      this.shown.delete(key);
      this.moved = performance.now();
    }
    for (const [key, row] of rows) {
      if (this.shown.has(key) || this.shown.size >= MOST_QUESTIONS) continue;
      const element = this.question(row, answerable);
      this.shown.set(key, element);
      this.root.append(element);
    }
    this.root.hidden = asking.length === 0;
    this.more.remove();
    if (asking.length <= MOST_QUESTIONS) return;
    say(this.more, `and ${asking.length - MOST_QUESTIONS} more`);
    this.root.append(this.more);
  }

  /** @param {Row} row @param {boolean} answerable */
  question(row, answerable) {
    const root = box("div", "afc-question");
    const texts = box("div", "afc-asked");
    texts.append(box("span", "afc-name", `${row.future}  ${row.tool}`), " asks for your approval", box("div", "afc-code", row.asks ?? ""));
    root.append(texts);
    if (answerable) {
      const answer = (/** @type {string} */ type) => {
        if (performance.now() - this.moved < REACTION_MS) return;
        for (const element of root.querySelectorAll("button")) element.disabled = true;
        this.act({ type, future: row.future });
      };
      root.append(
        button("Approve", `Let ${row.future} run`, () => answer("approve"), "afc-yes"),
        button("Decline", `Do not run ${row.future}, and inform the model`, () => answer("decline")),
      );
    }
    return root;
  }
}

/** Search, filter, and what the buttons do. */
export class Bar {
  /** @param {Does} does */
  constructor(does) {
    this.root = box("div", "afc-bar");
    this.root.setAttribute("role", "toolbar");
    this.root.setAttribute("aria-label", "timeline");
    this.search = /** @type {HTMLInputElement} */ (box("input", "afc-search"));
    this.search.type = "search";
    this.search.placeholder = "Search";
    this.search.setAttribute("aria-label", "search the futures");
    this.search.addEventListener("input", does.search);
    this.tool = /** @type {HTMLSelectElement} */ (box("select", "afc-tool"));
    this.tool.setAttribute("aria-label", "only this tool");
    this.tool.addEventListener("change", does.search);
    this.found = box("span", "afc-found");
    this.found.setAttribute("role", "status");
    this.follow = button("Follow", "Keep the present in sight (f)", does.follow);
    this.lanes = button("Lanes", "One row each, or packed in lanes (l)", does.lanes);
    this.cancel = button("Cancel run", "Stop the run; what has finished is kept", does.cancel, "afc-stop");
    const zoom = box("span", "afc-group");
    zoom.append(
      button("−", "Zoom out (−)", () => does.zoom(1 / 1.5)),
      button("Fit", "Show all of it (0)", does.fit),
      button("+", "Zoom in (+)", () => does.zoom(1.5)),
    );
    const copy = button("Copy", "Copy as an image (c)", does.copy);
    this.copy = copy;
    this.keys = button("?", "Show the keys (?)", does.keys);
    this.keys.setAttribute("aria-label", "Keys");
    const find = box("span", "afc-find");
    find.append(this.search, this.tool, this.found);
    this.root.append(find, this.follow, zoom, this.lanes, copy, this.keys, this.cancel);
    this.tools = "";
  }

  /** @param {Story} story @param {boolean} cancellable @param {boolean} packed @param {boolean} following */
  show(story, cancellable, packed, following) {
    const tools = [...new Set(story.runs.flatMap(({ view }) => view.rows.map((row) => row.tool)))].sort();
    const key = JSON.stringify(tools);
    if (key !== this.tools) {
      this.tools = key;
      const chosen = this.tool.value;
      const option = (/** @type {string} */ value, /** @type {string} */ text) => {
        const element = /** @type {HTMLOptionElement} */ (box("option", "", text));
        element.value = value;
        return element;
      };
      this.tool.replaceChildren(option("", "all tools"), ...tools.map((name) => option(name, name)));
      this.tool.value = tools.includes(chosen) ? chosen : "";
    }
    this.tool.hidden = tools.length < 2;
    this.follow.hidden = !story.live;
    this.follow.setAttribute("aria-pressed", String(following));
    this.cancel.hidden = !(story.live && cancellable);
    say(this.lanes, packed ? "Rows" : "Lanes");
    this.root.hidden = story.runs.every(({ view }) => view.rows.length === 0) && !story.live;
  }
}

/** What the keys do. @type {Array<[string, string]>} */
const KEYS = [
  ["↑ ↓", "the next or previous future"],
  ["Enter", "pin it"],
  ["Delete", "cancel it"],
  ["Escape", "unpin"],
  ["+ − 0", "zoom in, zoom out, show all"],
  ["← →", "move through time"],
  ["f", "follow the present"],
  ["l", "rows or lanes"],
  ["/", "search"],
  ["c", "copy as an image"],
  ["?", "show or hide the keys"],
];
/** In words, since an arrow is read aloud as its shape or not at all. */
export const KEYS_IN_WORDS =
  "arrows: walk and move; + and −: zoom; 0: fit; f: follow; l: rows or lanes; /: search; Enter: pin; Delete: cancel; c: copy; ?: the keys";

/** The keys, shown when they are asked for. */
export class Keys {
  constructor() {
    this.root = box("div", "afc-keys");
    this.root.hidden = true;
    for (const [keys, what] of KEYS) {
      const pair = box("div", "afc-pair");
      pair.append(box("kbd", "afc-kbd", keys), what);
      this.root.append(pair);
    }
  }
}

/**
 * The lines on a future, with a sample of each colour before what it stands for.
 * @param {Row} row
 * @param {number} now
 */
export function storyLines(row, now) {
  const name = box("div", "afc-name", `${row.future}  ${row.tool}`);
  return [name, ...describe(row, now).map(({ style, text, mark }) => {
    const line = box("div", `afc-line afc-line-${style}`, text);
    if (mark !== undefined) line.dataset.mark = mark;
    return line;
  })];
}

/** @param {string} prints */
export function printed(prints) {
  return box("pre", "afc-prints", prints);
}

/** The pinned future. */
export class Card {
  /** @param {Act} act @param {() => void} close */
  constructor(act, close) {
    this.act = act;
    this.close = close;
    this.root = box("aside", "afc-card");
    this.root.setAttribute("aria-label", "pinned future");
    this.root.hidden = true;
    this.key = "";
    this.head = box("div", "afc-card-head");
    this.lines = box("div", "");
    this.prints = printed("");
    this.root.append(this.head, this.lines, this.prints);
  }

  /** @param {Row|null} row @param {number} now @param {boolean} answerable */
  show(row, now, answerable) {
    this.root.hidden = row === null;
    if (row === null) return;
    const [name, ...lines] = storyLines(row, now);
    this.showHead(row, name, answerable);
    // Changes arrive twenty times a second: an element that is the same stays, so that users can press, scroll and select.
    const old = [...this.lines.children];
    if (old.length !== lines.length || lines.some((line, at) => !old[at].isEqualNode(line))) {
      lines.forEach((line, at) => (at < old.length ? !old[at].isEqualNode(line) && old[at].replaceWith(line) : this.lines.append(line)));
      for (const rest of old.slice(lines.length)) rest.remove();
    }
    this.prints.hidden = !row.prints;
    say(this.prints, row.prints ?? "");
  }

  /** @param {Row} row @param {HTMLElement} name @param {boolean} answerable */
  showHead(row, name, answerable) {
    const key = JSON.stringify([row.future, row.tool, row.state, answerable, row.asks !== undefined]);
    if (key === this.key) return;
    this.key = key;
    const held = this.root.contains(document.activeElement) ? document.activeElement?.textContent : null;
    const buttons = box("div", "afc-actions");
    if (answerable && row.asks !== undefined) {
      buttons.append(
        button("Approve", `Let ${row.future} run`, () => this.act({ type: "approve", future: row.future }), "afc-yes"),
        button("Decline", "Do not run it, and inform the model", () => this.act({ type: "decline", future: row.future })),
      );
    }
    if (answerable && (row.state === "pending" || row.state === "running")) {
      buttons.append(button(`Cancel ${row.future}`, "Cancel this call", () => this.act({ type: "cancel", future: row.future }), "afc-stop"));
    }
    buttons.append(button("Close", "Unpin (Escape)", this.close));
    this.head.replaceChildren(name, buttons);
    for (const element of this.root.querySelectorAll("button")) if (element.textContent === held) element.focus();
  }
}

/** The futures as a table, for screen readers and for users who prefer text. */
export class Table {
  constructor() {
    this.root = /** @type {HTMLDetailsElement} */ (box("details", "afc-table"));
    this.summary = box("summary", "", "Table");
    this.body = box("div", "afc-table-body");
    // What scrolls must be reached by the keyboard.
    this.body.tabIndex = 0;
    this.body.setAttribute("role", "region");
    this.body.setAttribute("aria-label", "table of the futures");
    keepKeys(this.body);
    this.root.append(this.summary, this.body);
    this.written = -Infinity;
    /** What was looked for then; null while it is closed. @type {string|null} */
    this.search = null;
  }

  /** @param {Story} story @param {(row: Row) => boolean} shown @param {number} now @param {string} search what `shown` looks for */
  show(story, shown, now, search) {
    if (!this.root.open) return void (this.search = null);
    if (story.live && search === this.search && performance.now() - this.written < TABLE_MS) return;
    this.search = search;
    this.written = performance.now();
    this.body.replaceChildren(...story.runs.map(({ name, view }) => {
      const present = view.live ? now : view.span;
      const rows = view.rows.filter(shown);
      const all = box("div", "");
      const add = (/** @type {string} */ caption, /** @type {string[]} */ titles, /** @type {string[][]} */ lines, /** @type {number} */ most) => {
        all.append(tableOf([name, caption].filter(Boolean).join(": "), titles, lines));
        if (most > MOST_CELLS) all.append(box("div", "afc-more", `and ${most - MOST_CELLS} more: ${titles === FUTURES ? "search" : "zoom in"} to find them`));
      };
      const first = rows.slice(0, MOST_CELLS).map((row) => cells(row, present));
      add(rows.length === 1 ? "1 future" : `${rows.length} futures`, FUTURES, first, rows.length);
      const said = view.decode.slice(0, MOST_CELLS).map((span) => [showSeconds(span.start), describeSpan(span, view.live ? now : view.now)]);
      add("decoding", ["from", "what"], said, view.decode.length);
      return all;
    }));
  }
}

/** @param {string} caption @param {string[]} titles @param {string[][]} lines */
function tableOf(caption, titles, lines) {
  const table = box("table", "");
  const head = box("tr", "");
  for (const title of titles) {
    const cell = box("th", "", title);
    cell.setAttribute("scope", "col");
    head.append(cell);
  }
  table.append(box("caption", "", caption), head, ...lines.map((texts) => {
    const line = box("tr", "");
    line.append(...texts.map((text) => box("td", "", text)));
    return line;
  }));
  return table;
}
