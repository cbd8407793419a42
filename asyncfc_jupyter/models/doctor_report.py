"""The doctor's report: what it saw, as data and as a table for people, and which options follow."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from platformdirs import user_cache_path

from asyncfc_jupyter._version import __version__
from asyncfc_jupyter.checked_json import NotValid, checked, parsed
from asyncfc_jupyter.masking import mask, masked
from asyncfc_jupyter.models.atomic_file import replace_file
from asyncfc_jupyter.models.in_text.formats import ARGUMENT, OPTION, remedies
from asyncfc_jupyter.models.model_options import written_value
from asyncfc_jupyter.models.registry import APIS, api_title

#: The first token of a request beside another one may take so many times as long as alone: more is what a race should save.
_MOST_SLOWER = 1.25
#: Seconds that the second of two requests at once may come later for reasons of this process: it makes both, on one loop.
_OWN_S = 0.02


def report_path(address: str, model: str, details: str) -> Path:
    """Return the file of a report.

    Args:
        address: The server's address.
        model: The name by which the server knows the model.
        details: What else the report depends on.
    """
    # The package's version is part of the name: another version may look for other things.
    names = "\n".join([__version__, address, model]), details
    digests = (hashlib.sha256(name.encode()).hexdigest()[:16] for name in names)
    return user_cache_path("asyncfc_jupyter", appauthor=False) / "doctor" / f"{'-'.join(digests)}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How one API of a server answered when it was asked for two calls and given a placeholder."""

    calls: int
    #: Whether calls came only with the option ``tool_choice`` set to ``required``.
    forced: bool
    text_pieces: int
    reasoning: bool
    #: Deltas with arguments, of all calls together.
    argument_pieces: int
    own_ids: int
    indexes: list[int]
    usage: bool
    usage_when_asked: bool
    placeholder: bool
    #: Whether the server marked its calls as asynchronous itself.
    native: bool
    first_token_s: float | None
    tokens_per_s: float | None
    #: Whether schemas that take references were accepted.
    references: bool
    #: Of calls that the server sent as text, how the last began and the form that it had (`in_text`); else empty.
    text_calls: list[str]

    @property
    def futures(self) -> bool:
        """Whether the mode with futures can be used."""
        return self.placeholder and self.references

    @property
    def ease(self) -> tuple[bool, int]:
        """How easily calls come, to compare two APIs: first whether they come unforced, then how many."""
        return bool(self.calls) and not self.forced, self.calls


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """Two short requests at the same time, and the same one alone: the seconds to the first token of each."""

    alone_s: float
    first_s: float
    second_s: float
    #: Whether the second reply began before the first had ended.
    overlapped: bool

    @property
    def side_by_side(self) -> bool:
        """Whether the server runs both as fast as one, or nearly so."""
        return self.overlapped and self.second_s <= self.alone_s * _MOST_SLOWER + _OWN_S

    @property
    def in_words(self) -> str:
        """What was seen, in one line."""
        how = (
            "side by side"
            if self.side_by_side
            else "side by side, each slower"
            if self.overlapped
            else "one after the other"
        )
        seconds = f"{self.first_s:.2f} and {self.second_s:.2f} s, alone after {self.alone_s:.2f} s"
        return f"{how}: first tokens after {seconds}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a server can do for one model."""

    model: str
    address: str
    #: The time of the examination, as ISO 8601 in UTC.
    examined_at: str
    #: By API.
    seen: Mapping[str, Seen]
    #: Why an API cannot be used, by API.
    refused: Mapping[str, str] = field(default_factory=dict)
    #: The name of the server's profile, if the user named it.
    server: str | None = None
    #: Two requests at the same time; None if it could not be seen.
    at_once: AtOnce | None = None
    cached: bool = False

    @classmethod
    def load(cls, path: Path) -> Report | None:
        """Return the report in a file; None if there is no file, or one that is damaged or that another version wrote."""
        try:
            report: Report = checked(cls, parsed(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, NotValid):
            return None
        return replace(report, cached=True) if report.seen else None

    def save(self, path: Path) -> None:
        """Write the report to a file.

        Raises:
            OSError: It cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(masked(asdict(self)), indent=2))

    @property
    def api(self) -> str:
        """The API to use: asynchronous tools if the server has them, else the one that gives more calls or shows reasoning."""
        if "native" in self.seen and self.seen["native"].native:
            return "native"
        able = [api for api in ("responses", "chat") if api in self.seen and self.seen[api].futures]
        if "responses" in able and "chat" in able and not self.seen["responses"].reasoning:
            return max(reversed(able), key=lambda api: self.seen[api].ease)
        return able[0] if able else next(iter(self.seen))

    @property
    def best(self) -> Seen:
        """What was seen through the API to use."""
        return self.seen[self.api]

    @property
    def mode(self) -> str:
        """The mode to use."""
        return "async" if self.best.futures else "eager"

    @property
    def options(self) -> Mapping[str, object]:
        """The model options to set."""
        options: dict[str, object] = {}
        if self.api == "chat" and not self.best.usage and self.best.usage_when_asked:
            options["stream_options"] = {"include_usage": True}
        return options

    def text(self, *, magic: bool = False) -> str:
        """Return the report for people, a row a line; options as they are written after a magic, or in Python."""
        rows = list(self._rows(magic=magic))
        width = max(len(name) for name, _ in rows) + 2
        return mask("\n".join(f"{name:<{width}}{value}" for name, value in rows))

    def _rows(self, *, magic: bool) -> Iterator[tuple[str, str]]:
        seen = self.best
        yield "model", self.model
        yield "server", self.address
        for api in dict.fromkeys([*APIS, *self.seen, *self.refused]):
            if api in self.refused:
                yield api_title(api), f"no: {self.refused[api]}"
            elif api == "native" and api in self.seen and not self.seen[api].native:
                yield api_title(api), "no: the server takes them, but its calls are not marked so"
            elif api in self.seen:
                yield api_title(api), "yes"
        yield from _call_rows(seen)
        if seen.text_calls:
            opening, form = seen.text_calls
            remedy = remedies(opening, form, self.server)
            yield "in the text", f"calls ({opening}), which the server does not parse{remedy and f'; start {remedy}'}"
        yield "reasoning", "shown" if seen.reasoning else "not shown"
        yield "placeholder", "accepted" if seen.placeholder else "refused: results are waited for in every turn"
        yield "references", "accepted" if seen.references else "refused in schemas: the mode async cannot be used"
        usage_when_asked = "counted when asked for (stream_options)" if seen.usage_when_asked else "not counted"
        yield "usage", "counted" if seen.usage else usage_when_asked
        yield "first token", "unknown" if seen.first_token_s is None else f"{seen.first_token_s:.2f} s"
        yield "speed", "unknown" if seen.tokens_per_s is None else f"{seen.tokens_per_s:.0f} tokens/s"
        yield "two at once", "unknown" if self.at_once is None else self.at_once.in_words
        if magic:
            words = (
                f" --option {shlex.quote(f'{name}={written_value(value)}')}" for name, value in self.options.items()
            )
            in_text = f" {OPTION}" if seen.text_calls else ""
            yield "use", f"--api {self.api} --mode {self.mode}{''.join(words)}{in_text}"
        else:
            options = f", model_options={dict(self.options)!r}" if self.options else ""
            options += f", {ARGUMENT}" if seen.text_calls else ""
            yield "use", f'api="{self.api}", mode="{self.mode}"{options}'
        yield "examined", f"{self.examined_at}{' (kept; --fresh asks again)' if self.cached else ''}"


def last_at_once(address: str, model: str) -> AtOnce | None:
    """Return what the last examination of a model saw of two requests at once; None if none saw it."""
    path = report_path(address, model, "")
    files = path.parent.glob(f"{path.stem.partition('-')[0]}-*.json")
    reports = [report for file in files if (report := Report.load(file)) is not None and report.at_once is not None]
    return max(reports, key=lambda report: report.examined_at).at_once if reports else None


def _call_rows(seen: Seen) -> Iterator[tuple[str, str]]:
    if not seen.calls:
        unable = "none: this model, or its template, does not call tools; use another"
        yield "calls", "none that the server parses" if seen.text_calls else unable
        yield "arguments", "unknown"
        yield "ids, indexes", "unknown"
        return
    number = f"{seen.calls} in one reply" if seen.calls > 1 else "one a reply"
    yield "calls", f"{number}, only with tool_choice required" if seen.forced else number
    if seen.argument_pieces <= seen.calls:
        yield "arguments", "whole: a call starts when the server sends it"
    else:
        pieces = f"about {seen.argument_pieces / seen.calls:.0f} pieces a call"
        yield "arguments", f"stream, {pieces}: a call starts when its JSON closes"
    ids = "its own" if seen.own_ids >= seen.calls else "missing or repeated, made here"
    yield "ids, indexes", f"{ids}; {', '.join(map(str, seen.indexes)) or 'none'}"
