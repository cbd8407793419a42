"""The command line: ``asyncfc-jupyter demo``, ``doctor``, ``models`` and ``trace``."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from asyncfc_jupyter._version import __version__
from asyncfc_jupyter.agent import Mode
from asyncfc_jupyter.core.events import CallFailed, CallFinished, CallSkipped, CallStarted, Stamped, TurnStarted
from asyncfc_jupyter.demo.play import Comparison, play_all
from asyncfc_jupyter.errors import AsyncFCError, UsageError
from asyncfc_jupyter.masking import mask, masked
from asyncfc_jupyter.models.catalog import Where, list_models
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.headers import read_header
from asyncfc_jupyter.models.keys import api_key_in
from asyncfc_jupyter.models.model_options import RULE, read_option
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.models.registry import APIS
from asyncfc_jupyter.text import printable
from asyncfc_jupyter.trace.render.comparison import compare
from asyncfc_jupyter.trace.render.timeline import Timeline
from asyncfc_jupyter.trace.trace import Trace

#: Tool calls in the demonstration's plan, for the progress bar.
_CALLS = 9
#: Columns of the timeline at most: longer lines are hard to follow with the eye.
_WIDEST = 120


class _Parser(argparse.ArgumentParser):
    """Repeats no key of the command line in its errors: they end in the logs of schedulers and tests."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(mask(message), file)


def _read_by(read: Callable[[str], tuple[str, Any]]) -> Callable[[str], tuple[str, Any]]:
    """Return a reader of arguments whose error argparse shows."""

    def reader(word: str) -> tuple[str, Any]:
        try:
            return read(word)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reader


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except AsyncFCError as error:
        print(f"asyncfc-jupyter: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="asyncfc-jupyter", description="Asynchronous function calling: every tool call is a future.")
    parser.add_argument("--version", action="version", version=f"asyncfc-jupyter {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo = commands.add_parser(
        "demo",
        help="run one plan in every mode, offline, and compare",
        description="Runs one plan with real tools in the modes sequential, batch, eager and async. Needs no key and no "
        "network; takes about half a minute.",
    )
    demo.add_argument("--json", metavar="FILE", type=Path, help="write the figures as JSON")
    demo.add_argument("--html", metavar="FILE", type=Path, help="write the timeline of the async run as a page")
    demo.set_defaults(run=_demo)
    doctor = commands.add_parser(
        "doctor",
        help="examine what a model's server can do, and which options suit it",
        description="Asks the model for two calls of dummy tools, answers one with a placeholder, and reports the result. "
        "The report is kept per server and model.",
    )
    doctor.add_argument("model", metavar="MODEL", help="the name by which the server knows its model, or an alias")
    doctor.add_argument(
        "--api", metavar="API", help=f"examine this API only: {', '.join(APIS)}, or one of another package"
    )
    doctor.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        type=_read_by(read_option),
        help=f"option of the model, such as temperature=0.2; a value is {RULE}",
    )
    doctor.add_argument("--fresh", action="store_true", help="examine again, although a report is kept")
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    doctor.set_defaults(run=_doctor)
    models = commands.add_parser(
        "models", help="list the models of a server", description="Lists the models of a server, a name a line."
    )
    models.set_defaults(run=_models, api=None)
    for command in (doctor, models):
        command.add_argument("--server", metavar="NAME", help=", ".join(PROFILES))
        command.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible server")
        command.add_argument("--api-key-env", metavar="NAME", help="environment variable that holds the key")
        command.add_argument(
            "--header",
            metavar="HEADER",
            action="append",
            type=_read_by(read_header),
            help='extra header: "X-Title: my notebook"',
        )
    trace = commands.add_parser(
        "trace",
        help="draw saved traces",
        description="Draws a trace that Trace.save wrote, or several on one time axis, as text by default.",
    )
    trace.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="a saved trace; of several, a comparison is drawn"
    )
    form = trace.add_mutually_exclusive_group()
    form.add_argument("--html", metavar="FILE", type=Path, help="write an interactive page that needs no network")
    form.add_argument("--svg", metavar="FILE", type=Path, help="write a picture")
    form.add_argument("--output", metavar="FILE", type=Path, help="write it in the format that the name ends in")
    form.add_argument("--text", action="store_true", help="print it as text (the default)")
    trace.set_defaults(run=_trace)
    return parser


def _where(options: argparse.Namespace) -> Where:
    key = api_key_in(options.api_key_env)
    headers = {name: value for name, value in options.header or () if value is not None}
    return Where(server=options.server, base_url=options.base_url, api=options.api, api_key=key, headers=headers)


def _models(options: argparse.Namespace) -> int:
    names = asyncio.run(list_models(_where(options)))
    if not names:
        print("asyncfc-jupyter: the server lists no models.", file=sys.stderr)
    for name in names:
        print(mask(printable(name)))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    where = _where(options)
    # The progress goes to stderr, since a program may read stdout; it shows on a terminal only.
    with Console(stderr=True).status(f"examines {escape(options.model)}") as status:
        report = asyncio.run(
            examine(
                options.model,
                where=where,
                options={name: value for name, value in options.option or () if value is not None},
                fresh=options.fresh,
                progress=lambda doing: status.update(Text(doing)),
            )
        )
    print(json.dumps(masked(dataclasses.asdict(report)), indent=2) if options.json else report.text())
    return 0


def _trace(options: argparse.Namespace) -> int:
    try:
        traces = [Trace.load(path) for path in options.files]
    except OSError as error:
        print(
            mask(f"asyncfc-jupyter: cannot read {error.filename}: {error.strerror}; name a saved trace."),
            file=sys.stderr,
        )
        return 2
    drawn = Timeline(traces[0]) if len(traces) == 1 else compare(*traces, names=[path.stem for path in options.files])
    target: Path | None = options.html or options.svg or options.output
    if target is None:
        print(drawn.text(width=min(Console().width, _WIDEST)))
        return 0
    try:
        if options.output:
            drawn.save(target)
        else:
            target.write_text(drawn.html() if options.html else drawn.svg(), encoding="utf-8")
    except OSError as error:
        print(mask(f"asyncfc-jupyter: cannot write {target}: {error.strerror}; name another file."), file=sys.stderr)
        return 2
    print(f"timeline: {target}")
    return 0


def _demo(options: argparse.Namespace) -> int:
    for path in filter(None, (options.json, options.html)):
        try:
            path.open("a", encoding="utf-8").close()
        except OSError as error:
            print(mask(f"asyncfc-jupyter: cannot write {path}: {error.strerror}; name another file."), file=sys.stderr)
            return 2
    console = Console()
    comparison = _play(console)
    _show(console, comparison)
    if options.json is not None:
        options.json.write_text(json.dumps(comparison.as_json(), indent=2) + "\n", encoding="utf-8")
        console.print(f"figures: {options.json}", highlight=False)
    if options.html is not None:
        options.html.write_text(comparison.of(Mode.ASYNC).run.timeline().html(), encoding="utf-8")
        console.print(f"timeline: {options.html}", highlight=False)
    if not comparison.agree:
        console.print("The modes disagree: this is a bug, please report it.", style="bold red")
        return 1
    return 0


def _play(console: Console) -> Comparison:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<11}"),
        BarColumn(30),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars = {mode: progress.add_task(mode.value, total=_CALLS, start=False, now="") for mode in Mode}

        def watch(mode: Mode) -> Callable[[Stamped], None]:
            progress.start_task(bars[mode])
            if not console.is_terminal:
                console.print(f"{mode.value} ...", highlight=False)

            def observe(stamped: Stamped) -> None:
                match stamped.event:
                    case TurnStarted(turn=turn):
                        progress.update(bars[mode], now=f"turn {turn}")
                    case CallStarted(future=future):
                        progress.update(bars[mode], now=f"{future} runs")
                    case CallFinished() | CallFailed() | CallSkipped():
                        progress.update(bars[mode], advance=1)

            return observe

        comparison = asyncio.run(play_all(watch))
        for mode in Mode:
            progress.update(bars[mode], completed=_CALLS, now=f"{comparison.of(mode).run.metrics.makespan_s:.1f} s")
    return comparison


def _show(console: Console, comparison: Comparison) -> None:
    fastest = comparison.of(Mode.ASYNC)
    console.print()
    console.print(Text(fastest.run.timeline().text(width=min(console.width, _WIDEST))))
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("mode", "seconds", "speed-up", "turns", "decoding waited", "for (seconds)"):
        table.add_column(heading, justify="left" if heading in {"mode", "for (seconds)"} else "right")
    slowest_s = comparison.of(Mode.SEQUENTIAL).run.metrics.makespan_s
    for played in comparison.played:
        makespan_s = played.run.metrics.makespan_s
        table.add_row(
            played.mode.value,
            f"{makespan_s:.2f}",
            f"{slowest_s / makespan_s:.2f}x",
            str(played.run.turns),
            f"{sum(stall.seconds for stall in played.stalls):.2f}",
            ", ".join(map(str, played.stalls)) or "nothing",
            style="bold" if played is fastest else None,
        )
    console.print(table)
    console.print()
    console.print(
        f"{comparison.speedup:.2f}x measured, of {comparison.bound:.2f}x that the bound allows: decoding plus tools, over the "
        "longer of decoding and the tools' critical path.",
        highlight=False,
    )
    if comparison.agree:
        console.print(
            f"Every mode left the same database ({len(fastest.database)} orders) and gave the same answer:",
            highlight=False,
        )
        console.print(Text(fastest.run.answer, style="italic"))


if __name__ == "__main__":
    sys.exit(main())
