// @ts-check
/**
 * The time axis: durations for people, ticks, and the window that zooming and panning move. Numbers in, numbers out.
 *
 * @typedef {{start: number, end: number}} Window the seconds that are shown
 * @typedef {{left: number, right: number, start: number, end: number}} Scale seconds to pixels
 * @typedef {{at: number, label: string}} Tick
 */

import { TICK_STEPS_S } from "./shared.js";

/** Lengths of the time axis, in seconds, that a live picture steps through: no bar may shrink at every frame. */
const DOMAINS = [2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800, 2700, 3600];
/** Room right of the last bar, as a share of the axis. */
export const MARGIN = 0.015;
/** The closest look, in seconds: a hundredth is less than any tool takes. */
const CLOSEST_S = 0.01;

/**
 * Return a duration for people: `83 ms`, `0.83 s`, `8.3 s`, `2 min 05 s`, `1 h 02 min`.
 * @param {number} seconds
 */
export function showSeconds(seconds) {
  if (seconds < 0.0995) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 0.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/**
 * Return the length of a live time axis, in seconds: it grows in steps, and only when the clock comes near its end.
 * @param {number} now
 * @param {number} previous
 */
export function liveDomain(now, previous) {
  if (now <= previous * 0.95) return previous;
  return DOMAINS.find((length) => now <= length * 0.72) ?? now * 1.5;
}

/**
 * Return where a time lies, in pixels; a time outside of the window lies outside of the axis.
 * @param {Scale} scale
 * @param {number} seconds
 */
export function position(scale, seconds) {
  return scale.left + ((scale.right - scale.left) * (seconds - scale.start)) / (scale.end - scale.start);
}

/**
 * Return the time under a pixel.
 * @param {Scale} scale
 * @param {number} x
 */
export function timeAt(scale, x) {
  return scale.start + ((x - scale.left) / (scale.right - scale.left)) * (scale.end - scale.start);
}

/**
 * Return round times in a window, at most about `most` of them.
 * @param {Window} window
 * @param {number} most
 * @returns {Tick[]}
 */
export function ticks({ start, end }, most) {
  const least = (end - start) / Math.max(1, most);
  const step = TICK_STEPS_S.find((size) => size >= least) ?? 3600 * Math.ceil(least / 3600);
  const first = Math.ceil(start / step - 1e-9);
  const count = Math.floor(end / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const at = (first + index) * step;
    return { at, label: tickLabel(at, step) };
  });
}

/**
 * @param {number} seconds
 * @param {number} step
 */
function tickLabel(seconds, step) {
  if (seconds === 0) return "0";
  if (step < 0.1 && seconds < 1) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 60 || step < 30) return `${seconds.toFixed(step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3)} s`;
  return showSeconds(seconds).replace(" 00 s", "").replace(" 00 min", "");
}

/**
 * Return the window after zooming by a factor around a time that keeps its place; never wider than the whole.
 * @param {Window} window
 * @param {number} factor more than 1 comes closer
 * @param {number} at seconds
 * @param {number} whole length of the whole axis
 * @returns {Window}
 */
export function zoom(window, factor, at, whole) {
  const length = Math.min(whole, Math.max(CLOSEST_S, (window.end - window.start) / factor));
  const share = (at - window.start) / (window.end - window.start);
  return held({ start: at - share * length, end: at + (1 - share) * length }, whole);
}

/**
 * Return the window moved by some seconds, within the whole.
 * @param {Window} window
 * @param {number} by
 * @param {number} whole
 * @returns {Window}
 */
export function pan(window, by, whole) {
  return held({ start: window.start + by, end: window.end + by }, whole);
}

/** @param {Window} window @param {number} whole @returns {Window} */
function held({ start, end }, whole) {
  const length = Math.min(whole, end - start);
  const first = Math.min(Math.max(0, start), whole - length);
  return { start: first, end: first + length };
}
