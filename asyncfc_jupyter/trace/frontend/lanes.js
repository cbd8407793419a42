// @ts-check
/**
 * Many futures in few lanes: each takes the lowest lane that is free when it begins. Which lane is free depends only on
 * what has ended by then, so a future has the same lane while the run lasts and in the finished picture.
 * `trace/render/layout.py` does the same for the static pictures; a test holds the two together.
 *
 * @typedef {import("./format.js").Row} Row
 */

/** A heap of numbers by a key: the least first. */
class Heap {
  constructor() {
    /** @type {Array<[number, number]>} pairs of key and value */
    this.items = [];
  }

  get least() {
    return this.items[0];
  }

  /** @param {number} key @param {number} value */
  push(key, value) {
    const items = this.items;
    let at = items.length;
    items.push([key, value]);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(items[at], items[parent])) return;
      [items[at], items[parent]] = [items[parent], items[at]];
      at = parent;
    }
  }

  pop() {
    const items = this.items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    items[0] = last;
    for (let at = 0; ; ) {
      let child = 2 * at + 1;
      if (child >= items.length) return first;
      if (child + 1 < items.length && before(items[child + 1], items[child])) child += 1;
      if (!before(items[child], items[at])) return first;
      [items[at], items[child]] = [items[child], items[at]];
      at = child;
    }
  }
}

/** @param {[number, number]} one @param {[number, number]} other */
function before(one, other) {
  return one[0] < other[0] || (one[0] === other[0] && one[1] < other[1]);
}

/**
 * Return the first and the last moment of a future; the last is infinite while it is not settled.
 * @param {Row} row
 * @returns {[number, number]}
 */
export function extent(row) {
  const first = row.segments[0];
  const last = row.segments[row.segments.length - 1];
  return first === undefined ? [0, 0] : [first.start, last.end ?? Infinity];
}

/**
 * Return the futures by lanes, each lane in order of time.
 * @param {Row[]} rows
 * @returns {Row[][]}
 */
export function pack(rows) {
  const order = rows.filter((row) => row.segments.length > 0);
  // The calls of one reply begin in order, so this is nearly sorted already.
  order.sort((one, other) => one.segments[0].start - other.segments[0].start);
  const taken = new Heap();
  const free = new Heap();
  /** @type {Row[][]} */
  const lanes = [];
  for (const row of order) {
    const [start, end] = extent(row);
    while (taken.least !== undefined && taken.least[0] <= start) free.push(taken.pop()[1], 0);
    const lane = free.least === undefined ? lanes.push([]) - 1 : free.pop()[0];
    lanes[lane].push(row);
    // A call that was skipped at once needs room for its sign.
    taken.push(Math.max(end, start + 1e-6), lane);
  }
  return lanes;
}
