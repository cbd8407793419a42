"""``%agent tools``: what the session's tools are, as text for terminals and as a table for notebooks.

The table carries its own few rules of style, in the notebook's own colours, so that it follows its theme. Where style sheets of
outputs are stripped, it is a plain table. Nothing of a tool's own text is taken for markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape

from asyncfc_jupyter.core.effects import EffectTemplates
from asyncfc_jupyter.jupyter.display.terminal_text import as_screen
from asyncfc_jupyter.jupyter.session.latencies import Latencies, Latency
from asyncfc_jupyter.text import clean, count
from asyncfc_jupyter.tools.definition import Tool

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


class ToolsTable:
    """The tools of a session, and how long they have taken."""

    def __init__(self, tools: Sequence[Tool], latencies: Latencies) -> None:
        self._tools, self._latencies = tools, latencies

    def __repr__(self) -> str:
        return "\n".join(_text(tool, self._latencies.of(tool.name)) for tool in self._tools)

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{head}</th>" for head in ("tool", "reads and writes", "how it is run"))
        heads += "".join(f'<th class="number">{head}</th>' for head in ("p50", "p95", "calls"))
        rows = "".join(_row(tool, self._latencies.of(tool.name)) for tool in self._tools)
        return f'{_STYLE}<div class="asyncfc-tools"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


class ToolDetail:
    """One tool with all there is to know of it."""

    def __init__(self, tool: Tool, latencies: Latencies) -> None:
        self._tool, self._latency = tool, latencies.of(tool.name)

    def __repr__(self) -> str:
        doc = "\n".join(f"    {line}".rstrip() for line in _documented(self._tool).split("\n"))
        schema = "\n".join(f"    {line}" for line in _schema(self._tool).split("\n"))
        return f"{_text(self._tool, self._latency)}\n\n  docstring\n{doc}\n\n  what a model sees\n{schema}"

    def _repr_html_(self) -> str:
        tool, (p50, p95) = self._tool, self._latency.shown
        facts = [
            ("reads and writes", _effects_html(tool)),
            ("how it is run", _manners_html(tool)),
            ("time", escape(f"p50 {p50}, p95 {p95}, {self._latency.calls}")),
        ]
        rows = "".join(f"<tr><th>{head}</th><td>{cell}</td></tr>" for head, cell in facts)
        return (
            f'{_STYLE}<div class="asyncfc-tools">{_signature_html(tool)}<table><tbody>{rows}</tbody></table>'
            f"<h4>docstring</h4><pre>{escape(_documented(tool))}</pre>"
            f"<h4>what a model sees</h4><pre>{escape(_schema(tool))}</pre></div>"
        )


def show_tool(tool: Tool) -> str:
    """Return a tool on one line: its signature and what it reads and writes."""
    manners = (*_flags(tool), *_limits(tool), *_repeats(tool), *(_elsewhere(tool)))
    return f"{tool.signature}  [{'; '.join((show_effects(tool.effects), *manners))}]"


def show_effects(effects: EffectTemplates) -> str:
    """Return what a tool declares, or what follows from its declaring nothing."""
    return "; ".join(f"{verb} {', '.join(paths)}".rstrip() for verb, paths in _effects(effects)) or _UNDECLARED


def _effects(effects: EffectTemplates) -> Iterator[tuple[str, list[str]]]:
    """Yield what a tool declares: a verb, and the paths that it is about."""
    if effects.declared and not (effects.reads or effects.writes):
        yield "pure", []
    for verb, paths in (("reads", effects.reads), ("writes", effects.writes)):
        if paths:
            yield verb, [str(path) for path in paths]


def _flags(tool: Tool) -> Iterator[str]:
    yield from (word for word in _FLAGS if getattr(tool, word))


def _limits(tool: Tool) -> Iterator[str]:
    if tool.limit is not None:
        yield f"limit {tool.limit}"
    yield from (f"limit {limit.places} on {limit.path}" for limit in tool.resource_limits)


def _repeats(tool: Tool) -> Iterator[str]:
    if tool.retries:
        yield count(tool.retries, "retry", "retries")


def _elsewhere(tool: Tool) -> Iterator[str]:
    """Yield where a tool runs, if not where any other of its kind does."""
    if tool.run_in != ("loop" if tool.is_async else "thread"):
        yield f"runs in {_place(tool)}"


def _place(tool: Tool) -> str:
    return tool.run_in if isinstance(tool.run_in, str) else type(tool.run_in).__name__


def _runs(tool: Tool) -> tuple[str, str]:
    where = {"loop": "on the loop", "thread": "in a thread", "process": "in a process"}
    timeout = "no time limit" if tool.timeout_s is None else f"timeout {tool.timeout_s:g} s"
    return where.get(_place(tool), f"in {_place(tool)}"), timeout


def _missing(tool: Tool) -> Iterator[str]:
    """Yield what is missing beside the effects: what a model is not told."""
    properties = tool.parameters.get("properties", {})
    if unsaid := [name for name, schema in properties.items() if not schema.get("description")]:
        yield f"not described: {', '.join(unsaid)}"


def _documented(tool: Tool) -> str:
    return as_screen(tool.parameters_of.docstring)


def _schema(tool: Tool) -> str:
    """Return a tool as a model is given it in the async mode, where arguments may be references."""
    return json.dumps(tool.definition(references=True)["function"], indent=2, ensure_ascii=False)


def _text(tool: Tool, latency: Latency) -> str:
    p50, p95 = latency.shown
    times = f"p50 {p50}, p95 {p95}, {latency.calls}" if latency.returned or latency.failed else "not called yet"
    lines = [as_screen(show_tool(tool)), f"    {', '.join(_runs(tool))}; {times}"]
    lines += [f"    {missing}" for missing in _missing(tool)]
    return "\n".join(lines)


def _row(tool: Tool, latency: Latency) -> str:
    p50, p95 = latency.shown
    schema = f"<details><summary>schema</summary><pre>{escape(_schema(tool))}</pre></details>"
    about = f'<div class="quiet">{escape(clean(tool.description, _DESCRIPTION))}</div>'
    missing = "".join(f'<div class="quiet"><i>{escape(text)}</i></div>' for text in _missing(tool))
    failed = f'<div class="missing">{latency.failed:,} failed</div>' if latency.failed else ""
    cells = [
        f'<td class="wide">{_signature_html(tool)}{about}{missing}{schema}</td>',
        f"<td>{_effects_html(tool)}</td>",
        f"<td>{_manners_html(tool)}</td>",
        f'<td class="number">{escape(p50)}</td><td class="number">{escape(p95)}</td>',
        f'<td class="number">{latency.returned:,}{failed}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _signature_html(tool: Tool) -> str:
    rest = tool.signature.removeprefix(tool.name)
    return f"<code><b>{escape(tool.name)}</b>{escape(rest)}</code>"


def _effects_html(tool: Tool) -> str:
    lines = [
        f"{verb} {', '.join(f'<code>{escape(path)}</code>' for path in paths)}"
        for verb, paths in _effects(tool.effects)
    ]
    return "<br>".join(lines) or f'<span class="missing">{_UNDECLARED}</span>'


def _manners_html(tool: Tool) -> str:
    marks = (*_flags(tool), *_limits(tool), *_repeats(tool))
    shown = "".join(f'<span class="flag">{escape(mark)}</span>' for mark in marks)
    lines = "".join(f'<div class="whole">{escape(part)}</div>' for part in _runs(tool))
    return f"{lines}<div>{shown}</div>"
