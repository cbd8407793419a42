// @ts-check
// The pure parts of the front end: time, lanes, layout and words.
import assert from "node:assert/strict";
import { test } from "node:test";

// The script as the page has it, with what Python shares with it: `test_frontend.py` writes it to a file.
const {
  applyChanges, cells, firstEnding, fit, liveDomain, matches, outcome, pack, pan, placeBars, placeDecode, placeLabel, placeTexts,
  position, spanAt, stack, storyOf, describe, describeSpan, ticks, timeAt, zoom,
} = await import(/** @type {string} */ (process.env.FRONT_END));

const measure = (/** @type {string} */ text, /** @type {number} */ size) => text.length * size * 0.6;

/** @param {string} future @param {number} start @param {number|null} end @param {object} [more] */
function row(future, start, end, more = {}) {
  return {
    future, tool: "work", arguments: "", state: "done", label: "ok", seen: null, critical: false, needs: [], after: [],
    segments: [{ kind: "done", start, end }], ...more,
  };
}

/** @param {object[]} rows */
function view(rows) {
  return { version: 3, title: "t", subtitle: "s", live: false, now: 10, span: 10, figures: [], decode: [], turns: [0], rows, overlap: [] };
}

test("a time keeps its place under the pointer while the user zooms", () => {
  let window = { start: 0, end: 100 };
  for (const factor of [1.5, 3, 0.7, 8]) {
    const before = position({ left: 0, right: 500, ...window }, 42);
    window = zoom(window, factor, 42, 100);
    assert.ok(Math.abs(position({ left: 0, right: 500, ...window }, 42) - before) < 1e-9);
  }
});

test("no zooming and no panning leaves the axis", () => {
  let window = { start: 0, end: 100 };
  for (let step = 0; step < 400; step += 1) {
    window = step % 3 ? zoom(window, 0.3 + ((step * 7) % 19) / 5, (step * 13) % 100, 100) : pan(window, ((step * 31) % 90) - 45, 100);
    assert.ok(window.start >= 0 && window.end <= 100 + 1e-9 && window.end - window.start >= 0.0099, JSON.stringify(window));
  }
});

test("a pixel and its time belong together", () => {
  const scale = { left: 80, right: 900, start: 3, end: 7.5 };
  for (const x of [80, 300, 899]) assert.ok(Math.abs(position(scale, timeAt(scale, x)) - x) < 1e-9);
});

test("ticks in the closest window differ", () => {
  for (const width of [0.004, 0.02, 0.04]) {
    const labels = ticks({ start: 3.2, end: 3.2 + width }, 8).map(({ label }) => label);
    assert.equal(new Set(labels).size, labels.length, labels.join());
  }
});

test("ticks are round, in the window, and few", () => {
  for (const [start, end] of [[0, 8.3], [3.31, 3.42], [100, 5000], [0, 0.004]]) {
    const found = ticks({ start, end }, 8);
    assert.ok(found.length >= 2 && found.length <= 10, `${start} to ${end}: ${found.length}`);
    for (const { at } of found) assert.ok(at >= start - 1e-9 && at <= end + 1e-9);
  }
});

test("a live axis never shrinks", () => {
  let domain = 0;
  for (let now = 0; now < 5000; now += 1 + now / 50) {
    const next = liveDomain(now, domain);
    assert.ok(next >= domain && next >= now);
    domain = next;
  }
});

test("futures of a lane do not overlap, and lanes are as few as possible", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const rows = Array.from({ length: 500 }, (_, n) => {
    const start = n * 0.1 + random();
    return row(`f${n + 1}`, start, random() < 0.02 ? null : start + random() * 3);
  });
  const lanes = pack(rows);
  assert.equal(lanes.flat().length, rows.length);
  for (const lane of lanes) {
    for (let n = 1; n < lane.length; n += 1) assert.ok((lane[n - 1].segments[0].end ?? Infinity) <= lane[n].segments[0].start);
  }
  const busiest = Math.max(...rows.map((one) => rows.filter((other) => {
    const at = one.segments[0].start;
    return other.segments[0].start <= at && (other.segments[0].end ?? Infinity) > at;
  }).length));
  assert.equal(lanes.length, busiest);
});

test("a future keeps the lane that it had while the run went on", () => {
  const rows = Array.from({ length: 60 }, (_, n) => row(`f${n + 1}`, n * 0.3, n * 0.3 + 1 + (n % 5)));
  /** @type {Map<string, number>} */
  const before = new Map();
  for (let now = 0; now < 25; now += 0.25) {
    const known = rows.filter((one) => one.segments[0].start <= now).map((one) => {
      const { end } = one.segments[0];
      return end !== null && end > now ? row(one.future, one.segments[0].start, null) : one;
    });
    pack(known).forEach((lane, index) => {
      for (const one of lane) {
        assert.equal(before.get(one.future) ?? index, index, one.future);
        before.set(one.future, index);
      }
    });
  }
});

test("few futures get a row each, many share lanes, and the user may choose", () => {
  const few = storyOf(view([row("f1", 0, 1), row("f2", 1, 2)]));
  const many = storyOf(view(Array.from({ length: 200 }, (_, n) => row(`f${n + 1}`, n, n + 0.9))));
  assert.deepEqual(stack(few, 900, null, measure).strips.map(({ kind }) => kind), ["decode", "row", "row"]);
  assert.deepEqual(stack(many, 900, null, measure).strips.map(({ kind }) => kind), ["decode", "lane"]);
  assert.equal(stack(many, 900, false, measure).strips.length, 201);
  assert.equal(stack(few, 900, true, measure).strips.length, 2);
});

test("strips lie one below the other without gaps", () => {
  const several = { version: 3, title: "t", subtitle: "s", span: 10, figures: [], runs: ["a", "b"].map((name) => ({ name, note: "", view: view([row("f1", 0, 1)]) })) };
  for (const story of [storyOf(view([row("f1", 0, 1)])), storyOf(several)]) {
    const { strips, height } = stack(story, 900, null, measure);
    for (let n = 1; n < strips.length; n += 1) assert.equal(strips[n].top, strips[n - 1].top + strips[n - 1].height);
    assert.ok(height >= strips.at(-1).top + strips.at(-1).height);
  }
});

test("a view of another version is not drawn", () => {
  assert.equal(storyOf({ ...view([]), version: 1 }), null);
});

test("texts stay between the ends of the axis, however far one zooms in", () => {
  const one = row("f1", 2, 6, { label: "a result that is rather long", arguments: 'city="LIS"' });
  for (const [start, end] of [[0, 10], [3, 4], [5.9, 6.4], [0, 2.05], [7, 9]]) {
    const scale = { left: 100, right: 800, start, end };
    const { label } = placeTexts(one, placeBars(one, scale, 10), 12, false, false, scale, measure);
    if (label === null) continue;
    const wide = measure(label.text, 12);
    assert.ok(label.x - (label.anchor === "end" ? wide : 0) >= 100 && label.x + (label.anchor === "start" ? wide : 0) <= 801, JSON.stringify(label));
  }
});

test("a cut text fits and says that it was cut", () => {
  const cut = fit("ConnectionError: refused", 12, 90, measure);
  assert.ok(cut.endsWith("…") && measure(cut, 12) <= 90);
  assert.equal(fit("abcdef", 12, 10, measure), "");
});

test("the first stretch in sight is found among many", () => {
  const stretches = Array.from({ length: 1000 }, (_, n) => ({ end: n + 1 }));
  const endOf = (/** @type {{end: number}} */ stretch) => stretch.end;
  for (const at of [-5, 0, 1, 17.5, 999.5]) assert.equal(firstEnding(stretches, at, endOf), stretches.findIndex(({ end }) => end >= at));
  assert.equal(firstEnding(stretches, 2000, endOf), 1000);
});

test("changes replace what they name and leave the old view unchanged", () => {
  const before = view([row("f1", 0, null), row("f2", 1, 2)]);
  const changes = { ...before, gone: [], rows: [row("f1", 0, 3), row("f3", 3, 4)], turns: { first: 1, items: [5] }, overlap: { first: 0, items: [[1, 2]] } };
  const after = applyChanges(before, changes);
  assert.deepEqual(after.rows.map(({ future, segments }) => [future, segments[0].end]), [["f1", 3], ["f2", 2], ["f3", 4]]);
  assert.deepEqual([after.turns, after.overlap, before.rows.length], [[0, 5], [[1, 2]], 2]);
});

test("changes that repeat what a reloaded view holds add nothing twice", () => {
  const held = { ...view([row("f1", 0, 2), row("f2", 2, null)]), decode: [{ id: "d1", kind: "text", start: 0, end: null, label: "" }], turns: [0, 1, 2], overlap: [[0, 1], [2, null]] };
  const changes = { ...held, gone: [], rows: [row("f2", 2, 3)], decode: [{ ...held.decode[0], end: 1 }], turns: { first: 1, items: [1, 2, 3] }, overlap: { first: 1, items: [[2, 2.5], [3, null]] } };
  const after = applyChanges(held, changes);
  assert.deepEqual(after.turns, [0, 1, 2, 3]);
  assert.deepEqual(after.overlap, [[0, 1], [2, 2.5], [3, null]]);
  assert.deepEqual([after.rows.length, after.decode.length, after.rows[1].segments[0].end, after.decode[0].end], [2, 1, 3, 1]);
});

/** A request that lost a race from 3 to 6 against one with many short pieces. */
function raced() {
  const pieces = Array.from({ length: 30 }, (_, n) => ({ id: `d${n + 2}`, kind: "text", start: 3 + n / 10, end: 3 + (n + 1) / 10, label: "", half: "lower" }));
  return [
    { id: "d1", kind: "abandoned", start: 1, end: 6, label: "request 2 was abandoned: why", half: "upper" },
    ...pieces,
    { id: "d40", kind: "call", start: 6, end: 9, label: "f1" },
  ];
}

test("a request that lost a race is placed wherever the window begins", () => {
  for (let start = 0; start < 5.9; start += 0.1) {
    const placed = placeDecode({ ...view([]), decode: raced() }, { left: 0, right: 1000, start, end: start + 2 }, 10);
    const kinds = placed.map(({ span }) => span.kind);
    assert.equal(kinds.includes("abandoned"), start + 2 >= 1, `from ${start}`);
    assert.equal(kinds.includes("text"), start + 2 >= 3, `from ${start}`);
  }
});

test("of two requests at once the pointer finds the one of its half", () => {
  const found = [[2, false], [2, true], [4.05, false], [4.05, true], [7, true], [0.5, false], [9.5, true]]
    .map(([time, low]) => spanAt(raced(), /** @type {number} */ (time), /** @type {boolean} */ (low))?.id);
  assert.deepEqual(found, ["d1", "d1", "d1", "d12", "d40", undefined, undefined]);
});

test("spans that are no more leave the view", () => {
  const before = { ...view([]), decode: raced().slice(0, 3) };
  const changes = { ...before, gone: ["d2", "d99"], decode: [{ ...raced()[2], end: 4 }], turns: { first: 1, items: [] }, overlap: { first: 0, items: [] } };
  assert.deepEqual(applyChanges(before, changes).decode.map(({ id, end }) => [id, end]), [["d1", 6], ["d3", 4]]);
  assert.equal(before.decode.length, 3);
});

test("an abandoned request is described by its reason and its length", () => {
  assert.equal(describeSpan(raced()[0], 10), "request 2 was abandoned: why (after 5.0 s)");
});

test("a search finds words anywhere, and a future where its value is taken", () => {
  const one = row("f12", 0, 1, { tool: "search_flights", arguments: 'from="$f1"', label: "3 flights" });
  for (const words of ["flights search", "F12", "done", "f1", ""]) assert.ok(matches(one, words, ""), words);
  for (const words of ["f2", "hotels", "flights hotels", "f1 hotels"]) assert.ok(!matches(one, words, ""), words);
  assert.ok(!matches(one, "", "other"));
});

test("the waits, retries and outcome of a future are put into words", () => {
  const one = row("f3", 0, 5, {
    seen: 6, retries: [{ at: 3, message: "timed out" }],
    segments: [{ kind: "hazard", start: 0, end: 1.5, reason: "f1 reads a/b (WAR)", hazard: "WAR" }, { kind: "done", start: 1.5, end: 5 }],
  });
  const lines = describe(one, 9).map(({ text }) => text);
  assert.deepEqual(lines, ["waited 1.5 s: f1 reads a/b (WAR): writes after a read", "ran 3.5 s", "attempt failed at 3.0 s: timed out", "→ ok", "the model saw it at 6.0 s"]);
  assert.deepEqual(cells(one, 9), ["f3", "work", "", "done", "1.5 s: f1 reads a/b (WAR)", "3.5 s", "ok", "6.0 s"]);
});

test("a call that never ran is a sign, one that shares a result is not", () => {
  const scale = { left: 0, right: 100, start: 0, end: 10 };
  const mark = (/** @type {string} */ kind, /** @type {number} */ end) => placeBars(row("f1", 1, end, { segments: [{ kind, start: 1, end }] }), scale, 10)[0].mark;
  assert.deepEqual([mark("cancelled", 1), mark("failed", 1), mark("skipped", 1), mark("failed", 2), mark("done", 1)], [true, true, true, false, false]);
});

test("a label keeps off the mark of being seen and off its bar's sign", () => {
  const scale = { left: 0, right: 900, start: 0, end: 9 };
  const around = { left: 100, scale, keepLeft: false, measure };
  const right = placeLabel(["3 flights"], 12, [100, 130], { ...around, seen: 160 });
  assert.ok(right !== null && right.x > 168, JSON.stringify(right));
  const wide = measure("3 flights", 12);
  const bar = /** @type {[number, number]} */ ([100, 100 + wide + 20]);
  assert.equal(placeLabel(["3 flights"], 12, bar, { ...around, seen: null })?.inside, true);
  assert.equal(placeLabel(["3 flights"], 12, bar, { ...around, seen: null, sign: true })?.inside, false);
});

test("a call that asks for approval says so, in fewer words in less room", () => {
  const one = row("f1", 0, null, { asks: "", state: "pending" });
  assert.deepEqual([outcome(one, false, false), outcome(one, true, true)], [["asks for your approval"], ["asks you"]]);
  assert.equal(cells(one, 3)[3], "asks for approval");
});

test("of decode spans on one pixel one is placed, and an open one always", () => {
  const decode = Array.from({ length: 1000 }, (_, n) => ({ id: `d${n}`, kind: "call", start: n / 100, end: n < 999 ? (n + 1) / 100 : null, label: "" }));
  const placed = placeDecode({ ...view([]), decode }, { left: 0, right: 50, start: 0, end: 10 }, 10);
  assert.ok(placed.length <= 126, String(placed.length));
  assert.equal(placed.at(-1)?.span.end, null);
});

test("calls that were skipped at once share no lane", () => {
  const rows = ["f1", "f2", "f3"].map((name) => row(name, 1, 1));
  assert.equal(pack(rows).length, 3);
});

test("a live axis keeps its length until the clock comes near its end", () => {
  assert.equal(liveDomain(1, 30), 30);
  assert.ok(liveDomain(29, 30) > 30);
});

test("an open wait is described once, and a moment in the queue not at all", () => {
  const one = row("f1", 0, null, {
    state: "pending", label: "",
    segments: [{ kind: "queued", start: 0, end: 0.0005 }, { kind: "queued", start: 0.5, end: 1 }, { kind: "data", start: 1, end: null, reason: "needs $f0" }],
  });
  assert.deepEqual(describe(one, 3).map(({ text }) => text), ["queued 0.50 s", "waiting 2.0 s: needs $f0"]);
});

test("what a call used is described in the words of the view", () => {
  const used = "computed for 1.0 s, waited 7.0 s for other calls";
  const texts = describe(row("f1", 0, 8, { used }), 9).map(({ text }) => text);
  assert.deepEqual(texts.slice(0, 2), ["ran 8.0 s", used]);
});

test("a search for a future finds no other whose name begins alike", () => {
  assert.ok(matches(row("f1", 0, 1), "f1", ""));
  assert.ok(!matches(row("f12", 0, 1, { label: "see f1" }), "f1", ""));
  assert.ok(matches(row("f12", 0, 1, { arguments: '{"a": "$f1.id"}' }), "f1", ""));
  assert.ok(!matches(row("f13", 0, 1, { arguments: '{"a": "$f12"}' }), "f1", ""));
});
