// What Python states and the page uses too. There is no file shared.js: `trace/render/html.py` writes this module, with the
// values of `core/waits.py`, `trace/view/legend.py`, `trace/view/wire_format.py` and `trace/render/layout.py`.

/** How a kind looks: its words in the legend, and the names of its colour and of its pattern; no pattern is a plain fill. */
export interface Look {
  words: string;
  colour: string;
  hatch: string;
}
/** The looks of all kinds, in the order of the legend. A wait for shared state is named by its hazard: `hazard-RAW`. */
export const LOOKS: Readonly<Record<string, Look>>;
/** The names of the colours: custom properties of the style sheet, such as `--afc-paper`. */
export const COLOURS: readonly string[];
/** The lines of each pattern in one tile, as the path of an SVG, and their width in pixels. */
export const HATCHES: Readonly<Record<string, { path: string; width: number }>>;
/** Side of a tile, in pixels. */
export const TILE: number;
/** The kinds of segments in which a call has not started for a reason, each with what ends it. */
export const WAITS: ReadonlyMap<string, "values" | "calls" | "user" | "places">;

/** The version of the wire format. */
export const VIEW_VERSION: number;
/** Seconds: a shorter time in the queue is the layer's own work, and is not shown. */
export const SHORTEST_QUEUE_S: number;
/** Seconds: a smaller gain is not shown as saved. */
export const LEAST_SAVED_S: number;
/** More rows than this are packed into lanes, unless the user asks for rows. */
export const MOST_ROWS: number;
/** Arrows along the critical path are drawn up to this many rows: more could not be followed. */
export const MOST_ARROW_ROWS: number;
/** Narrower pictures, in pixels, have no column for the names of the tools. */
export const NARROW: number;
/** Pixels in which a cut label still has a meaning. */
export const ROOM_TO_CUT: number;
/** Pixels that the sign at the end of a bar needs; narrower bars have none. */
export const SIGN_ROOM: number;
/** Pixels of the gap in a bar where an attempt failed: its sign fits. */
export const RETRY_ROOM: number;
/** Pixels between the label of the run's end and those of the axis. */
export const END_ROOM: number;
/** Seconds between two labels of the axis, the least first. */
export const TICK_STEPS_S: readonly number[];
