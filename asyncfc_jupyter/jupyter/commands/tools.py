"""``%agent tools``: what the session's tools are, as text for terminals and as a table for notebooks.

The table carries its own few rules of style, in the notebook's own colours, so that it follows its theme. Where style sheets of
outputs are removed, it is a plain table. A tool's own text is escaped and never read as markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from textwrap import indent
from typing import TYPE_CHECKING

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.commands.memory import remembered
from asyncfc_jupyter.jupyter.display.terminal_text import as_screen
from asyncfc_jupyter.jupyter.session.latencies import Latencies, Latency
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.runtime.durations import Durations, Measured
from asyncfc_jupyter.text import clean, count, no_such, show_seconds
from asyncfc_jupyter.tools.definition import Tool

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session

#: Characters of a tool's description in the table: its first sentence, mostly.
_DESCRIPTION = 160
_FLAGS = ("idempotent", "irreversible", "approve", "detached")
_UNDECLARED = "no effects declared: ordered against everything"

#: A class that is named twice outweighs the notebook's own rules for tables and code.
_STYLE = """<style>
.asyncfc-tools{font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);
overflow-x:auto}
.asyncfc-tools.asyncfc-tools table{border-collapse:collapse;margin:4px 0;font-size:13px;table-layout:auto;border:none}
.asyncfc-tools.asyncfc-tools :is(th,td){text-align:left;vertical-align:top;padding:8px 24px 8px 0;border:none;
max-width:40em;white-space:normal;background:transparent}
.asyncfc-tools.asyncfc-tools tr{background:transparent!important;border-top:1px solid var(--jp-border-color2,#8884)}
.asyncfc-tools.asyncfc-tools thead tr{border-top:none}
.asyncfc-tools.asyncfc-tools th{font-weight:600;color:var(--jp-ui-font-color2,inherit);font-size:12px;white-space:nowrap}
.asyncfc-tools.asyncfc-tools :is(th,td).number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.asyncfc-tools.asyncfc-tools :is(code,pre){font-family:var(--jp-code-font-family,monospace);font-size:12px;color:inherit;
background:transparent!important;padding:0!important;border:none}
.asyncfc-tools.asyncfc-tools pre{margin:4px 0 8px;padding:8px 12px!important;border-radius:4px;max-height:32em;overflow:auto;
white-space:pre-wrap;background:var(--jp-layout-color2,#8881)!important}
.asyncfc-tools .wide{min-width:24em}
.asyncfc-tools .whole{white-space:nowrap}
.asyncfc-tools .quiet,.asyncfc-tools summary{color:var(--jp-ui-font-color2,inherit)}
.asyncfc-tools summary{cursor:pointer}
.asyncfc-tools .flag{display:inline-block;margin:2px 4px 0 0;padding:0 7px;border-radius:9px;font-size:11px;white-space:nowrap;
border:1px solid var(--jp-border-color1,#8888)}
.asyncfc-tools .missing{color:var(--jp-warn-color0,#b45309)}
body[data-jp-theme-light=false] .asyncfc-tools .missing{color:var(--jp-warn-color2,#fbbf24)}
.asyncfc-tools.asyncfc-tools h4{margin:12px 0 4px;font-size:13px;font-weight:600}
</style>"""


def show_tools(session: Session, name: str | None = None) -> ToolsTable | ToolDetail | str:
    """Return the tools of a session, or one of them.

    Raises:
        UsageError: There is no tool of that name.
    """
    known = session.registry.by_name()
    if name is not None and name not in known:
        raise UsageError(no_such("tool", name, known))
    durations = remembered(session)
    if name is not None:
        return ToolDetail(known[name], session.latencies, durations)
    none = "No tools yet: define a function in a cell that starts with %%tool."
    return ToolsTable(tuple(known.values()), session.latencies, durations) if known else none


class ToolsTable:
    """The tools of a session, how long they have taken in it, and how long they are expected to take.

    Args:
        tools: The tools.
        latencies: How long they have taken in this kernel.
        durations: What is remembered of them.
    """

    def __init__(self, tools: Sequence[Tool], latencies: Latencies, durations: Durations) -> None:
        self._tools = [_ShownTool(tool, latencies.of(tool.name), durations.of(tool)) for tool in tools]

    def __repr__(self) -> str:
        return mask("\n".join(tool.text for tool in self._tools))

    def _repr_html_(self) -> str:
        rows = [tool.cells() for tool in self._tools]
        heads = _row("th", {head: head for head in rows[0]})
        body = "".join(_row("td", row) for row in rows)
        return mask(
            f'{_STYLE}<div class="asyncfc-tools"><table><thead>{heads}</thead><tbody>{body}</tbody></table></div>'
        )


class ToolDetail:
    """One tool with all that is known of it. Takes what `ToolsTable` does."""

    def __init__(self, tool: Tool, latencies: Latencies, durations: Durations) -> None:
        self._tool = _ShownTool(tool, latencies.of(tool.name), durations.of(tool))

    def __repr__(self) -> str:
        doc, schema = (indent(text, "    ") for text in (self._tool.doc, self._tool.schema))
        return mask(f"{self._tool.text}\n\n  docstring\n{doc}\n\n  what a model sees\n{schema}")

    def _repr_html_(self) -> str:
        tool, cells = self._tool, self._tool.cells()
        facts = {head: cells[head] for head in ("reads and writes", "how it is run")} | {"time": escape(tool.times)}
        rows = "".join(f"<tr><th>{head}</th><td>{cell}</td></tr>" for head, cell in facts.items())
        return mask(
            f'{_STYLE}<div class="asyncfc-tools">{tool.signature}<table><tbody>{rows}</tbody></table>'
            f"<h4>docstring</h4><pre>{escape(tool.doc)}</pre>"
            f"<h4>what a model sees</h4><pre>{escape(tool.schema)}</pre></div>"
        )


class _ShownTool:
    """What is shown of one tool, as text and as HTML."""

    def __init__(self, tool: Tool, latency: Latency, measured: Measured) -> None:
        self._tool, self._latency = tool, latency
        p50, p95 = latency.shown
        self.times = f"p50 {p50}, p95 {p95}, {latency.calls}"
        self.doc = as_screen(tool.parameters_of.docstring)
        #: What a model is given in the async mode, where arguments may be references.
        self.schema = json.dumps(tool.definition(references=True)["function"], indent=2, ensure_ascii=False)
        rest = tool.signature.removeprefix(tool.name)
        #: The name and the parameters, as HTML.
        self.signature = f"<code><b>{escape(tool.name)}</b>{escape(rest)}</code>"
        where = {"loop": "on the loop", "thread": "in a thread", "process": "in a process"}
        timeout = "no time limit" if tool.timeout_s is None else f"timeout {tool.timeout_s:g} s"
        self._runs = (where.get(_place(tool), f"in {_place(tool)}"), timeout, *_expectation(tool, measured))
        properties = tool.parameters.get("properties", {})
        unsaid = [name for name, schema in properties.items() if not schema.get("description")]
        #: What its author can still do for the model.
        self._missing = [f"not described: {', '.join(unsaid)}"] if unsaid else []
        self._missing += tool.notices

    @property
    def text(self) -> str:
        """The tool in two lines or more."""
        times = self.times if self._latency.returned or self._latency.failed else "not called yet"
        lines = [as_screen(show_tool(self._tool)), f"{', '.join(self._runs)}; {times}", *self._missing]
        return "\n    ".join(lines)

    def cells(self) -> dict[str, str]:
        """Return the cells of the tool's row, as HTML, by the head of their column."""
        p50, p95 = map(escape, self._latency.shown)
        about = f'<div class="quiet">{escape(clean(self._tool.description, _DESCRIPTION))}</div>'
        missing = "".join(f'<div class="quiet"><i>{escape(each)}</i></div>' for each in self._missing)
        schema = f"<details><summary>schema</summary><pre>{escape(self.schema)}</pre></details>"
        effects = [
            f"{verb} {', '.join(f'<code>{escape(path)}</code>' for path in paths)}"
            for verb, paths in _effects(self._tool)
        ]
        runs = "".join(f'<div class="whole">{escape(part)}</div>' for part in self._runs)
        flags = "".join(f'<span class="flag">{escape(flag)}</span>' for flag in _flags(self._tool))
        failed = f'<div class="missing">{self._latency.failed:,} failed</div>' if self._latency.failed else ""
        return {
            "tool": f"{self.signature}{about}{missing}{schema}",
            "reads and writes": "<br>".join(effects) or f'<span class="missing">{_UNDECLARED}</span>',
            "how it is run": f"{runs}<div>{flags}</div>",
            "p50": p50,
            "p95": p95,
            "calls": f"{self._latency.returned:,}{failed}",
        }


def _row(kind: str, cells: Mapping[str, str]) -> str:
    """Return a row of the table: of heads (``th``) or of cells (``td``), by the head of their column."""
    classes = {"tool": ' class="wide"'} | dict.fromkeys(("p50", "p95", "calls"), ' class="number"')
    shown = (f"<{kind}{classes.get(head, '')}>{cell}</{kind}>" for head, cell in cells.items())
    return f"<tr>{''.join(shown)}</tr>"


def show_tool(tool: Tool) -> str:
    """Return a tool on one line: its signature, what it reads and writes, and how it is run."""
    effects = "; ".join(f"{verb} {', '.join(paths)}".rstrip() for verb, paths in _effects(tool)) or _UNDECLARED
    # Where it runs, if not where any other of its kind does.
    place = [] if tool.run_in == ("loop" if tool.is_async else "thread") else [f"runs in {_place(tool)}"]
    return f"{tool.signature}  [{'; '.join([effects, *_flags(tool), *place])}]"


def _effects(tool: Tool) -> Iterator[tuple[str, list[str]]]:
    """Yield what a tool declares: a verb, and the paths that it is about."""
    effects = tool.effects
    if effects.declared and not (effects.reads or effects.writes):
        yield "pure", []
    for verb, paths in (("reads", effects.reads), ("writes", effects.writes)):
        if paths:
            yield verb, [str(path) for path in paths]


def _expectation(tool: Tool, measured: Measured) -> Iterator[str]:
    """Yield how long a call is expected to take, and why, if that is known: the inline wait is chosen by it."""
    if measured.median_s is not None:
        latest = len(measured.recent_s)
        which = (
            count(latest, "call") if latest == measured.calls else f"the latest {latest} of {measured.calls:,} calls"
        )
        yield f"expected {show_seconds(measured.median_s)} (median of {which})"
    elif tool.expected_s is not None:
        yield f"expected {show_seconds(tool.expected_s)} (expected_s)"


def _flags(tool: Tool) -> Iterator[str]:
    yield from (word for word in _FLAGS if getattr(tool, word))
    if tool.limit is not None:
        yield f"limit {tool.limit}"
    yield from (f"limit {limit.places} on {limit.path}" for limit in tool.resource_limits)
    if tool.retries:
        yield count(tool.retries, "retry", "retries")


def _place(tool: Tool) -> str:
    return tool.run_in if isinstance(tool.run_in, str) else type(tool.run_in).__name__
